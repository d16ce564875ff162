import { jsonObject, offlinePolicy, type JsonObject, type PageQuery } from '@sallyport/contract';
import type { z } from 'zod';
import type { Db } from '../platform/db.ts';
import type { Prisma } from '../platform/prisma-client/client.ts';

export type OfflinePolicy = z.infer<typeof offlinePolicy>;
/** What is written of a plugin; `offline` is null where it follows from whether there are encrypted fields. */
export type PluginRecord = {
  id: string;
  name: string;
  version: number;
  typeVersionId: string;
  offline: OfflinePolicy | null;
  config: JsonObject;
  createdAt: Date;
  updatedAt: Date;
};
/** `config` has placeholders for the encrypted fields, of which there are `fieldCount`. */
export type PluginRow = PluginRecord & { type: string; typeVersion: number; fieldCount: number };

const shown = {
  typeVersion: { select: { version: true, type: { select: { name: true } } } },
  _count: { select: { fields: true } },
} as const;
type StoredPlugin = Prisma.PluginGetPayload<{ include: typeof shown }>;

export async function findPlugin(
  db: Db,
  groupId: string,
  name: string,
): Promise<PluginRow | undefined> {
  const where = { groupId_name: { groupId, name } };
  const row = await db.plugin.findUnique({ where, include: shown });
  return row === null ? undefined : pluginRow(row);
}

export async function listPlugins(
  db: Db,
  groupId: string,
  { limit, cursor }: PageQuery,
): Promise<PluginRow[]> {
  const rows = await db.plugin.findMany({
    where: { groupId, name: { gt: cursor ?? '' } },
    orderBy: { name: 'asc' },
    take: limit + 1,
    include: shown,
  });
  return rows.map(pluginRow);
}

export type PluginInGroup = PluginRow & { group: { id: string; name: string } };

/** Plugins of a type in any version and group, in the order of their ids. */
export async function listPluginsOfType(
  db: Db,
  typeId: string,
  afterId: string | undefined,
  limit: number,
): Promise<PluginInGroup[]> {
  const rows = await db.plugin.findMany({
    where: { typeVersion: { typeId }, ...(afterId === undefined ? {} : { id: { gt: afterId } }) },
    orderBy: { id: 'asc' },
    take: limit,
    include: { ...shown, group: { select: { id: true, name: true } } },
  });
  return rows.map((row) => ({ ...pluginRow(row), group: row.group }));
}

export async function upsertPlugin(tx: Db, groupId: string, row: PluginRecord): Promise<void> {
  const config = JSON.parse(JSON.stringify(row.config));
  const { id, createdAt, name, ...changing } = row;
  await tx.plugin.upsert({
    where: { id },
    create: { ...changing, id, groupId, name, createdAt, config },
    update: { ...changing, config },
  });
}

export async function deletePlugin(tx: Db, id: string): Promise<void> {
  await tx.plugin.delete({ where: { id } });
}

function pluginRow({ typeVersion, _count, ...row }: StoredPlugin): PluginRow {
  const { id, name, version, typeVersionId, createdAt, updatedAt } = row;
  return {
    ...{ id, name, version, typeVersionId, createdAt, updatedAt },
    offline: offlinePolicy.nullable().parse(row.offline),
    config: jsonObject.parse(row.config),
    type: typeVersion.type.name,
    typeVersion: typeVersion.version,
    fieldCount: _count.fields,
  };
}

import { pluginConfig, type PageQuery } from '@sallyport/contract';
import type { z } from 'zod';
import type { Db } from '../platform/db.ts';

export type PluginConfig = z.infer<typeof pluginConfig>;
export type PluginRow = {
  id: string;
  name: string;
  version: number;
  config: PluginConfig;
  createdAt: Date;
  updatedAt: Date;
};

export async function findPlugin(
  db: Db,
  groupId: string,
  name: string,
): Promise<PluginRow | undefined> {
  const row = await db.plugin.findUnique({ where: { groupId_name: { groupId, name } } });
  return row === null ? undefined : { ...row, config: pluginConfig.parse(row.config) };
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
  });
  return rows.map((row) => ({ ...row, config: pluginConfig.parse(row.config) }));
}

export async function upsertPlugin(tx: Db, groupId: string, row: PluginRow): Promise<void> {
  const config = JSON.parse(JSON.stringify(row.config));
  const { id, name, version, createdAt, updatedAt } = row;
  await tx.plugin.upsert({
    where: { id },
    create: { id, groupId, name, version, config, createdAt, updatedAt },
    update: { version, config, updatedAt },
  });
}

export async function deletePlugin(tx: Db, id: string): Promise<void> {
  await tx.plugin.delete({ where: { id } });
}

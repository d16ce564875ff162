import { jsonObject, type JsonObject, type PageQuery } from '@sallyport/contract';
import type { Db } from '../platform/db.ts';
import type { Prisma } from '../platform/prisma-client/client.ts';

/** A type in one of its versions. */
export type TypeRow = {
  id: string;
  versionId: string;
  name: string;
  version: number;
  description: string;
  schema: JsonObject;
  encryptedFields: string[];
  publicFields: string[];
  createdAt: Date;
  updatedAt: Date;
};
export type NewVersion = {
  id: string;
  description: string;
  schema: JsonObject;
  encryptedFields: string[];
  publicFields: string[];
  createdBy: string;
  createdAt: Date;
};

const withType = { type: true } as const;
type StoredVersion = Prisma.PluginTypeVersionGetPayload<{ include: typeof withType }>;

/** A version of a type; the current one when none is named. */
export async function findType(
  db: Db,
  name: string,
  version?: number,
): Promise<TypeRow | undefined> {
  const type = await db.pluginType.findUnique({ where: { name } });
  if (type === null) return undefined;
  const row = await db.pluginTypeVersion.findUnique({
    where: { typeId_version: { typeId: type.id, version: version ?? type.version } },
    include: withType,
  });
  return row === null ? undefined : typeRow(row);
}

/** The current version of a type, which cannot be deleted before the transaction ends. */
export async function holdType(tx: Db, name: string): Promise<TypeRow | undefined> {
  await tx.$queryRaw`SELECT id FROM plugin_types WHERE name = ${name} FOR KEY SHARE`;
  return findType(tx, name);
}

/** Types in their current versions. */
export async function listTypes(db: Db, { limit, cursor }: PageQuery): Promise<TypeRow[]> {
  const types = await db.pluginType.findMany({
    where: { name: { gt: cursor ?? '' } },
    orderBy: { name: 'asc' },
    take: limit + 1,
  });
  const rows = await db.pluginTypeVersion.findMany({
    where: { OR: types.map(({ id, version }) => ({ typeId: id, version })) },
    include: withType,
    orderBy: { type: { name: 'asc' } },
  });
  return rows.map(typeRow);
}

export async function listTypeVersions(
  db: Db,
  typeId: string,
  { limit, cursor }: PageQuery,
): Promise<{ version: number; createdBy: string; createdAt: Date }[]> {
  return db.pluginTypeVersion.findMany({
    where: { typeId, ...(cursor === undefined ? {} : { version: { lt: Number(cursor) } }) },
    orderBy: { version: 'desc' },
    take: limit + 1,
    select: { version: true, createdBy: true, createdAt: true },
  });
}

export async function insertType(
  tx: Db,
  type: { id: string; name: string; createdAt: Date },
  first: NewVersion,
): Promise<TypeRow> {
  await tx.pluginType.create({ data: { ...type, version: 1, updatedAt: type.createdAt } });
  return insertTypeVersion(tx, type.id, 1, first);
}

/** Gives a type its next version, which becomes the current one; undefined when the type is gone. */
export async function addTypeVersion(
  tx: Db,
  typeId: string,
  next: NewVersion,
): Promise<TypeRow | undefined> {
  const [moved] = await tx.pluginType.updateManyAndReturn({
    where: { id: typeId },
    data: { version: { increment: 1 }, updatedAt: next.createdAt },
    select: { version: true },
  });
  return moved === undefined ? undefined : insertTypeVersion(tx, typeId, moved.version, next);
}

async function insertTypeVersion(
  tx: Db,
  typeId: string,
  version: number,
  { schema, ...row }: NewVersion,
): Promise<TypeRow> {
  const data = { ...row, typeId, version, schema: JSON.parse(JSON.stringify(schema)) };
  return typeRow(await tx.pluginTypeVersion.create({ data, include: withType }));
}

export async function countPluginsOf(db: Db, typeId: string): Promise<number> {
  return db.plugin.count({ where: { typeVersion: { typeId } } });
}

/** Locks the type, so that no plugin of it is written before the transaction ends. */
export async function lockType(tx: Db, typeId: string): Promise<void> {
  await tx.$queryRaw`SELECT id FROM plugin_types WHERE id = ${typeId}::uuid FOR UPDATE`;
}

/** False when it was gone already. */
export async function deleteType(tx: Db, id: string): Promise<boolean> {
  return (await tx.pluginType.deleteMany({ where: { id } })).count === 1;
}

function typeRow({ id, typeId, type, schema, createdBy: _by, ...row }: StoredVersion): TypeRow {
  return {
    ...row,
    id: typeId,
    versionId: id,
    name: type.name,
    schema: jsonObject.parse(schema),
    createdAt: type.createdAt,
    updatedAt: row.createdAt,
  };
}

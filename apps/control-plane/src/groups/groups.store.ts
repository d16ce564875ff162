import {
  agentMethod,
  clonePolicy,
  ENTRY_BYTES,
  uuid,
  type AgentMethod,
  type ClonePolicy,
  type PageQuery,
} from '@sallyport/contract';
import { HEADER_BYTES } from '@sallyport/crypto/envelope';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import { Prisma } from '../platform/prisma-client/client.ts';
import { wakeupNotification } from '../platform/wakeups.ts';

export type GroupRow = {
  id: string;
  name: string;
  revision: number;
  deliveryEpoch: number;
  agentMethods: AgentMethod[];
  clones: ClonePolicy;
  createdAt: Date;
};

/** What of a group may be changed; what is undefined stays as it is. */
export type GroupChange = {
  agentMethods?: AgentMethod[] | undefined;
  clones?: ClonePolicy | undefined;
};

export async function insertGroup(
  tx: Db,
  row: { id: string; name: string; createdAt: Date },
): Promise<GroupRow> {
  return parsed(await tx.group.create({ data: row }));
}

export async function findGroup(db: Db, name: string): Promise<GroupRow | undefined> {
  const row = await db.group.findFirst({ where: { name, deletedAt: null } });
  return row === null ? undefined : parsed(row);
}

/**
 * The ids of what goes by this word, deleted groups among them: the group with this id, which no name can hide, else the
 * one that has the name, else all that had it.
 */
export async function findGroupIdsEver(db: Db, nameOrId: string): Promise<string[]> {
  const id = uuid.safeParse(nameOrId).data;
  const groups = await db.group.findMany({
    where: { OR: [{ name: nameOrId }, ...(id === undefined ? [] : [{ id }])] },
    select: { id: true, name: true, deletedAt: true },
  });
  const the =
    groups.find((group) => group.id === id) ?? groups.find(({ deletedAt }) => deletedAt === null);
  return (the === undefined ? groups : [the]).map((group) => group.id);
}

/**
 * Keeps a group from being deleted before the transaction ends: to be asked first by whatever makes something in it
 * and does not advance it.
 *
 * @throws AppError `group.not_found` when it is deleted
 */
export async function holdGroup(tx: Db, id: string): Promise<void> {
  const rows = await tx.$queryRaw<unknown[]>`
    SELECT FROM groups WHERE id = ${id}::uuid AND deleted_at IS NULL FOR KEY SHARE`;
  if (rows.length === 0) throw groupNotFound();
}

export function groupNotFound(): AppError {
  return new AppError('group.not_found', 'There is no such group, or you may not see it.');
}

/** `ids` are the groups to choose from; all when not given. */
export async function listGroups(
  db: Db,
  { limit, cursor }: PageQuery,
  ids?: string[],
): Promise<GroupRow[]> {
  const rows = await db.group.findMany({
    where: {
      name: { gt: cursor ?? '' },
      deletedAt: null,
      ...(ids === undefined ? {} : { id: { in: ids } }),
    },
    orderBy: { name: 'asc' },
    take: limit + 1,
  });
  return rows.map(parsed);
}

/** Changes a group, whose row is locked first; returns it as it was before and as it is after. */
export async function updateGroupRow(
  tx: Db,
  id: string,
  { agentMethods, clones }: GroupChange,
): Promise<{ before: GroupRow; after: GroupRow }> {
  const data = {
    ...(agentMethods === undefined ? {} : { agentMethods }),
    ...(clones === undefined ? {} : { clones }),
  };
  const held = await tx.$queryRaw<unknown[]>`
    SELECT FROM groups WHERE id = ${id}::uuid AND deleted_at IS NULL FOR NO KEY UPDATE`;
  if (held.length === 0) throw groupNotFound();
  const before = parsed(await tx.group.findUniqueOrThrow({ where: { id } }));
  const after = parsed(await tx.group.update({ where: { id }, data }));
  return { before, after };
}

type StoredGroup = Omit<GroupRow, 'agentMethods' | 'clones'> & {
  agentMethods: string[];
  clones: string;
};

function parsed(row: StoredGroup): GroupRow {
  const { agentMethods, clones } = row;
  return {
    ...row,
    agentMethods: agentMethod.array().parse(agentMethods),
    clones: clonePolicy.parse(clones),
  };
}

/**
 * Moves a group to its next revision and tells every replica when the transaction commits. It locks the
 * group's row until then: revisions of one group are committed in order. So call it first in a change.
 * `written` bytes of entries are added to the bound of the group's size, which it returns too.
 *
 * @throws AppError `group.not_found` when the group is deleted
 */
export async function advanceGroup(
  tx: Db,
  groupId: string,
  written = 0,
): Promise<{ revision: number; bytesAtMost: number }> {
  const [moved] = await tx.$queryRaw<{ revision: number; bytesAtMost: number }[]>`
    WITH moved AS (
      UPDATE groups SET revision = revision + 1, bytes_at_most = bytes_at_most + ${written}::bigint
        WHERE id = ${groupId}::uuid AND deleted_at IS NULL
        RETURNING revision, bytes_at_most::float8 AS "bytesAtMost"
    )
    SELECT revision, "bytesAtMost", ${wakeupNotification({ kind: 'group', groupId })} FROM moved`;
  if (moved === undefined) throw groupNotFound();
  return moved;
}

/** Moves a group this far past what any agent of it can have been given, and tells every replica. */
export async function leapGroup(
  tx: Db,
  groupId: string,
  by: { revisions: number; epochs: number },
): Promise<{ revision: number; epoch: number }> {
  const [moved] = await tx.$queryRaw<{ revision: number; epoch: number }[]>`
    WITH moved AS (
      UPDATE groups SET revision = revision + ${by.revisions}::int, delivery_epoch = delivery_epoch + ${by.epochs}::int
        WHERE id = ${groupId}::uuid RETURNING revision, delivery_epoch AS epoch
    )
    SELECT revision, epoch, ${wakeupNotification({ kind: 'group', groupId })} FROM moved`;
  if (moved === undefined) throw new Error('there is no such group');
  return { revision: moved.revision, epoch: moved.epoch };
}

export async function listGroupIds(db: Db): Promise<string[]> {
  return (await db.group.findMany({ where: { deletedAt: null }, select: { id: true } })).map(
    ({ id }) => id,
  );
}

/** The bytes that one value takes once it is sealed, with its name and its place in the manifest. */
export function entryBytes(name: string, value: Uint8Array): number {
  return Buffer.byteLength(name) + value.byteLength + HEADER_BYTES + ENTRY_BYTES;
}

/**
 * The bytes that a group's values, their names and their places in the manifest take, all or those of one name;
 * seals count too.
 */
export async function measureEntries(tx: Db, groupId: string, name?: string): Promise<number> {
  const entriesOf = (alias: string) => {
    const entry = Prisma.raw(alias);
    const named = name === undefined ? Prisma.empty : Prisma.sql`AND ${entry}.name = ${name}`;
    return Prisma.sql`${entry}.group_id = ${groupId}::uuid ${named}`;
  };
  const [row] = await tx.$queryRaw<{ bytes: number }[]>`
    SELECT coalesce(sum(bytes + ${ENTRY_BYTES}), 0)::float8 AS bytes FROM (
      SELECT octet_length(v.sealed_value) + octet_length(s.name) AS bytes
        FROM secrets s JOIN secret_versions v ON v.secret_id = s.id AND v.version = s.version
        WHERE ${entriesOf('s')}
      UNION ALL
      SELECT octet_length(p.config::text) + octet_length(p.name)
        FROM plugins p WHERE ${entriesOf('p')}
      UNION ALL
      SELECT octet_length(b.sealed_body) + octet_length(c.name)
        FROM certificates c JOIN certificate_bodies b ON b.certificate_id = c.id
        WHERE ${entriesOf('c')}
      UNION ALL
      SELECT octet_length(f.sealed_value)
        FROM plugin_fields f JOIN plugins p ON p.id = f.plugin_id WHERE ${entriesOf('p')}
    ) AS entries`;
  return row?.bytes ?? 0;
}

/** Raises the bound of a group's size; returns what it is then. */
export async function addToBound(tx: Db, groupId: string, bytes: number): Promise<number> {
  const [row] = await tx.$queryRaw<{ bound: number }[]>`
    UPDATE groups SET bytes_at_most = bytes_at_most + ${bytes}::bigint WHERE id = ${groupId}::uuid
      RETURNING bytes_at_most::float8 AS bound`;
  return row?.bound ?? Infinity;
}

export async function setBound(tx: Db, groupId: string, bytes: number): Promise<void> {
  await tx.group.update({ where: { id: groupId }, data: { bytesAtMost: bytes } });
}

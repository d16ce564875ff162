import { z } from 'zod';
import type { Db } from '../platform/db.ts';

/**
 * A version seals while it is `active`, opens until nothing uses it (`retiring`), and is `retired` then: its
 * key is kept for what was being read, and destroyed a minute later.
 */
const keyState = z.enum(['active', 'retiring', 'retired']);
export type KeyState = z.infer<typeof keyState>;

export type WrappedKey = { version: number; wrappedKey: Uint8Array };
export type KeyringVersionRow = {
  version: number;
  state: KeyState;
  encryptions: number;
  createdAt: Date;
  retiredAt: Date | null;
};

/** NIST SP 800-38D, section 8.3: a key with random nonces seals no more than this. */
const MAX_ENCRYPTIONS = 2 ** 32;

export async function createKeyringVersion(
  tx: Db,
  groupId: string,
  key: WrappedKey,
  nowMs: number,
): Promise<void> {
  await tx.keyringVersion.create({
    data: {
      groupId,
      version: key.version,
      wrappedKey: Uint8Array.from(key.wrappedKey),
      createdAt: new Date(nowMs),
    },
  });
}

/**
 * The active key, and `count` more encryptions counted for it, in one statement; undefined when it has no
 * room for so many. The row stays locked to the end of the transaction, which is what keeps the version from
 * being retired before what it sealed can be seen.
 */
export async function countEncryptions(
  tx: Db,
  groupId: string,
  count: number,
): Promise<WrappedKey | undefined> {
  // A rotation that was waited for leaves the statement without a row; the next one sees the new version.
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const [row] = await tx.$queryRaw<{ version: number; wrapped_key: Uint8Array }[]>`
      UPDATE keyring_versions SET encryptions = encryptions + ${count}
      WHERE group_id = ${groupId}::uuid AND state = 'active'
        AND encryptions + ${count} <= ${MAX_ENCRYPTIONS}
      RETURNING version, wrapped_key`;
    if (row !== undefined) return { version: row.version, wrappedKey: row.wrapped_key };
  }
  return undefined;
}

export async function getGroupName(tx: Db, id: string): Promise<string> {
  return (await tx.group.findUniqueOrThrow({ where: { id }, select: { name: true } })).name;
}

/** The name of a group, which is not deleted before the transaction ends; undefined when it is already. */
export async function holdGroupName(tx: Db, id: string): Promise<string | undefined> {
  const [row] = await tx.$queryRaw<{ name: string }[]>`
    SELECT name FROM groups WHERE id = ${id}::uuid AND deleted_at IS NULL FOR KEY SHARE`;
  return row?.name;
}

/** The keys that open something, or may be about to. */
export async function listWrappedKeys(db: Db, groupId: string): Promise<WrappedKey[]> {
  const rows = await db.keyringVersion.findMany({
    where: { groupId, wrappedKey: { not: null } },
    select: { version: true, wrappedKey: true },
  });
  return rows.flatMap(({ version, wrappedKey }) =>
    wrappedKey === null ? [] : [{ version, wrappedKey }],
  );
}

export async function listKeyringVersions(db: Db, groupId: string): Promise<KeyringVersionRow[]> {
  const rows = await db.keyringVersion.findMany({
    where: { groupId },
    orderBy: { version: 'desc' },
  });
  return rows.map(({ version, state, encryptions, createdAt, retiredAt }) => ({
    version,
    state: keyState.parse(state),
    encryptions: Number(encryptions),
    createdAt,
    retiredAt,
  }));
}

/** Waits for whoever seals with the active version, or rotates it. */
export async function lockActiveVersion(tx: Db, groupId: string): Promise<void> {
  await tx.$executeRaw`
    SELECT 1 FROM keyring_versions WHERE group_id = ${groupId}::uuid AND state = 'active' FOR UPDATE`;
}

/** Takes the active version, which is locked, out of use for sealing; returns it. */
export async function endActiveVersion(tx: Db, groupId: string): Promise<number | undefined> {
  const [row] = await tx.$queryRaw<{ version: number }[]>`
    UPDATE keyring_versions SET state = 'retiring'
    WHERE group_id = ${groupId}::uuid AND state = 'active' RETURNING version`;
  return row?.version;
}

/** Groups whose active version was made before `before`, or has sealed more than `encryptions`. */
export async function listDueForRotation(
  db: Db,
  due: { before: Date; encryptions: number },
): Promise<string[]> {
  const rows = await db.keyringVersion.findMany({
    where: {
      state: 'active',
      OR: [{ createdAt: { lt: due.before } }, { encryptions: { gt: due.encryptions } }],
    },
    select: { groupId: true },
  });
  return rows.map(({ groupId }) => groupId);
}

/** Versions that are on their way out, oldest first. */
export async function listRetiring(db: Db): Promise<{ groupId: string; version: number }[]> {
  return db.keyringVersion.findMany({
    where: { state: 'retiring' },
    orderBy: [{ groupId: 'asc' }, { version: 'asc' }],
    select: { groupId: true, version: true },
  });
}

/**
 * Holds a version that something is being sealed with: it may be counted for meanwhile, and not retired.
 * False when it is retired already.
 */
export async function holdVersion(tx: Db, groupId: string, version: number): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>`
    SELECT 1 FROM keyring_versions
    WHERE group_id = ${groupId}::uuid AND version = ${version} AND state <> 'retired'
    FOR KEY SHARE`;
  return rows.length === 1;
}

/** Lets this transaction's commit return before it is on disk: after a crash of Postgres it may not have been. */
export async function commitUnsynced(tx: Db): Promise<void> {
  await tx.$executeRaw`SET LOCAL synchronous_commit = off`;
}

/** Takes a version for oneself, which waits for everybody who seals with it or holds it. */
export async function lockRetiring(tx: Db, groupId: string, version: number): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>`
    SELECT 1 FROM keyring_versions
    WHERE group_id = ${groupId}::uuid AND version = ${version} AND state = 'retiring'
    FOR UPDATE`;
  return rows.length === 1;
}

export async function markRetired(
  tx: Db,
  groupId: string,
  version: number,
  now: Date,
): Promise<void> {
  await tx.keyringVersion.update({
    where: { groupId_version: { groupId, version } },
    data: { state: 'retired', retiredAt: now },
  });
}

/** Destroys the keys that were retired before `before`; returns how many. */
export async function destroyRetiredKeys(db: Db, before: Date): Promise<number> {
  const { count } = await db.keyringVersion.updateMany({
    where: { state: 'retired', retiredAt: { lt: before }, wrappedKey: { not: null } },
    data: { wrappedKey: null },
  });
  return count;
}

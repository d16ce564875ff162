import type { Db } from '../platform/db.ts';

export type WrappedKey = { version: number; wrappedKey: Uint8Array };

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

/** The newest key, and one more encryption counted for it, in one statement. */
export async function countEncryption(tx: Db, groupId: string): Promise<WrappedKey> {
  const [row] = await tx.$queryRaw<{ version: number; wrapped_key: Uint8Array }[]>`
    UPDATE keyring_versions SET encryptions = encryptions + 1
    WHERE group_id = ${groupId}::uuid
      AND version = (SELECT max(version) FROM keyring_versions WHERE group_id = ${groupId}::uuid)
    RETURNING version, wrapped_key`;
  if (row === undefined) throw new Error('a group has no keyring');
  return { version: row.version, wrappedKey: row.wrapped_key };
}

export async function listKeyringVersions(db: Db, groupId: string): Promise<WrappedKey[]> {
  return db.keyringVersion.findMany({
    where: { groupId },
    select: { version: true, wrappedKey: true },
  });
}

import {
  encryptionPublicKey,
  type EncryptionPublicKey,
  type LeasePolicy,
} from '@sallyport/contract';
import { storedPolicy } from '../leases/index.ts';
import type { Db } from '../platform/db.ts';
import type { SealedVersion } from './open-version.ts';
import { findVersionOf } from './secrets.store.ts';

/** A secret's current version as it is sealed; `policy` is null where it is not lent out. */
export type Lendable = SealedVersion & {
  id: string;
  policy: LeasePolicy | null;
  version: number;
};

/**
 * A secret that can be lent, its row locked until the commit: a new version or a deletion comes before the lease, or
 * after it, and then the deletion ends it. Not a shared lock: those who share it, one after another, would keep a new
 * version waiting.
 */
export async function findLendable(
  tx: Db,
  groupId: string,
  name: string,
): Promise<Lendable | undefined> {
  // A statement of its own: after a wait for the lock, Postgres reads anew only the locked row of a join.
  const [secret] = await tx.$queryRaw<{ id: string; policy: unknown; version: number }[]>`
    SELECT id, lease AS policy, version FROM secrets
     WHERE group_id = ${groupId}::uuid AND name = ${name}
       FOR NO KEY UPDATE`;
  if (secret === undefined) return undefined;
  const { id, version } = secret;
  const sealed = await findVersionOf(tx, { groupId, secretId: id }, version);
  if (sealed === undefined) throw new Error('the current version of a secret is not there');
  return { ...sealed, id, version, policy: storedPolicy.nullable().parse(secret.policy) };
}

/**
 * The agent that borrows, its row locked until the commit: a revocation comes before the lease, or ends it. Not a
 * shared lock: those who share it, one after another, would keep a revocation waiting.
 */
export async function holdBorrower(
  tx: Db,
  agentId: string,
): Promise<{ groupId: string; revokedAt: Date | null; encryptionKey: EncryptionPublicKey }> {
  const [row] = await tx.$queryRaw<
    { groupId: string; revokedAt: Date | null; encryptionKey: unknown }[]
  >`
    SELECT group_id AS "groupId", revoked_at AS "revokedAt", encryption_key AS "encryptionKey"
      FROM agents WHERE id = ${agentId}::uuid FOR NO KEY UPDATE`;
  if (row === undefined) throw new Error('the agent of this session is not there');
  return { ...row, encryptionKey: encryptionPublicKey.parse(row.encryptionKey) };
}

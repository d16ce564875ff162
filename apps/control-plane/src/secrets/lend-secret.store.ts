import {
  encryptionPublicKey,
  type EncryptionPublicKey,
  type LeasePolicy,
} from '@sallyport/contract';
import { storedPolicy } from '../leases/index.ts';
import type { Db } from '../platform/db.ts';
import type { SealedVersion } from './open-version.ts';

/** A secret's current version as it is sealed; `policy` is null where it is not lent out. */
export type Lendable = SealedVersion & {
  id: string;
  policy: LeasePolicy | null;
  version: number;
};

/** What can be lent, held until the commit: a deletion comes before it, or ends the lease. */
export async function findLendable(
  tx: Db,
  groupId: string,
  name: string,
): Promise<Lendable | undefined> {
  const [row] = await tx.$queryRaw<(Omit<Lendable, 'policy'> & { policy: unknown })[]>`
    SELECT s.id, s.lease AS policy, v.version, v.id AS "versionId", v.sealed_value AS "sealedValue",
           v.key_version AS "keyVersion", k.wrapped_key AS "wrappedKey"
      FROM secrets s
      JOIN secret_versions v ON v.secret_id = s.id AND v.version = s.version
      LEFT JOIN keyring_versions k ON k.group_id = s.group_id AND k.version = v.key_version
     WHERE s.group_id = ${groupId}::uuid AND s.name = ${name}
       FOR SHARE OF s`;
  return row === undefined
    ? undefined
    : { ...row, policy: storedPolicy.nullable().parse(row.policy) };
}

/** The agent that borrows, held until the commit: a revocation comes before it, or ends the lease. */
export async function holdBorrower(
  tx: Db,
  agentId: string,
): Promise<{ groupId: string; revokedAt: Date | null; encryptionKey: EncryptionPublicKey }> {
  const [row] = await tx.$queryRaw<
    { groupId: string; revokedAt: Date | null; encryptionKey: unknown }[]
  >`
    SELECT group_id AS "groupId", revoked_at AS "revokedAt", encryption_key AS "encryptionKey"
      FROM agents WHERE id = ${agentId}::uuid FOR SHARE`;
  if (row === undefined) throw new Error('the agent of this session is not there');
  return { ...row, encryptionKey: encryptionPublicKey.parse(row.encryptionKey) };
}

import { offlinePolicy, type PageQuery } from '@sallyport/contract';
import type { z } from 'zod';
import type { SealedField } from '../keyrings/index.ts';
import type { Database, Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';

export type OfflinePolicy = z.infer<typeof offlinePolicy>;
export type SecretRow = {
  id: string;
  name: string;
  offline: OfflinePolicy;
  version: number;
  createdAt: Date;
  updatedAt: Date;
};
/** As it comes from the database, and what its `offline` was before, null when there was none. */
type WrittenSecret = Omit<SecretRow, 'offline'> & { offline: string; offlineBefore: string | null };
/** What tells one state of a secret from another. */
export type SecretState = Pick<SecretRow, 'id' | 'version' | 'offline'>;
export type VersionRow = {
  id: string;
  version: number;
  sealedValue: Uint8Array;
  keyVersion: number;
  createdBy: string;
  createdAt: Date;
};

export async function findSecret(
  db: Db,
  groupId: string,
  name: string,
): Promise<SecretRow | undefined> {
  const row = await db.secret.findUnique({ where: { groupId_name: { groupId, name } } });
  return row === null ? undefined : { ...row, offline: offlinePolicy.parse(row.offline) };
}

export async function listSecrets(
  db: Db,
  groupId: string,
  { limit, cursor }: PageQuery,
): Promise<SecretRow[]> {
  const rows = await db.secret.findMany({
    where: { groupId, name: { gt: cursor ?? '' } },
    orderBy: { name: 'asc' },
    take: limit + 1,
  });
  return rows.map((row) => ({ ...row, offline: offlinePolicy.parse(row.offline) }));
}

/**
 * Creates the secret with version 1, or moves it to its next version; `offline` stays as it was when absent.
 * `before` is what was there: one statement, since every change waits for it. The group's row must be held.
 */
export async function upsertSecret(
  tx: Db,
  groupId: string,
  name: string,
  offline: OfflinePolicy | undefined,
  now: Date,
): Promise<{ secret: SecretRow; before: SecretState | undefined }> {
  const [row] = await tx.$queryRaw<WrittenSecret[]>`
    WITH before AS (
      SELECT offline FROM secrets WHERE group_id = ${groupId}::uuid AND name = ${name}
    )
    INSERT INTO secrets (id, group_id, name, kind, delivery, offline, version, created_at, updated_at)
    VALUES (${newId()}::uuid, ${groupId}::uuid, ${name}, 'stored', 'bundle', ${offline ?? 'deny'}, 1,
            ${now}::timestamptz, ${now}::timestamptz)
    ON CONFLICT (group_id, name) DO UPDATE
      SET version = secrets.version + 1, updated_at = excluded.updated_at,
          offline = coalesce(${offline ?? null}::text, secrets.offline)
    RETURNING id, name, offline, version, created_at AS "createdAt", updated_at AS "updatedAt",
              (SELECT offline FROM before) AS "offlineBefore"`;
  if (row === undefined) throw new Error('the secret was not written');
  const { offlineBefore, offline: stored, ...rest } = row;
  const secret = { ...rest, offline: offlinePolicy.parse(stored) };
  if (offlineBefore === null) return { secret, before: undefined };
  const { id, version } = secret;
  return {
    secret,
    before: { id, version: version - 1, offline: offlinePolicy.parse(offlineBefore) },
  };
}

export async function insertVersion(
  tx: Db,
  of: { groupId: string; secretId: string },
  row: Omit<VersionRow, 'sealedValue' | 'keyVersion'> & SealedField,
): Promise<void> {
  const { sealed, ...rest } = row;
  await tx.secretVersion.create({ data: { ...rest, ...of, sealedValue: sealed } });
}

/** A version as it is sealed, and the wrapped key that it is sealed with; `version` null when the secret has no such one. */
export type SealedVersion =
  | { version: null }
  | {
      id: string;
      version: number;
      sealedValue: Uint8Array;
      keyVersion: number;
      /** Null of a key that is destroyed or was never there: nothing opens then. */
      wrappedKey: Uint8Array | null;
    };

/**
 * The wanted version of a secret, or its newest, with its key: in one statement, so that no rotation comes between
 * the two. `undefined` when there is no such secret.
 */
export async function findSealedVersion(
  db: Database,
  { groupId, name }: { groupId: string; name: string },
  wanted: number | undefined,
): Promise<SealedVersion | undefined> {
  const [row] = await db.direct<SealedVersion>(
    {
      name: 'secret-reveal',
      text: `
        SELECT v.id, v.version, v.sealed_value AS "sealedValue", v.key_version AS "keyVersion",
               k.wrapped_key AS "wrappedKey"
          FROM secrets s
          LEFT JOIN secret_versions v ON v.secret_id = s.id AND v.version = coalesce($3, s.version)
          LEFT JOIN keyring_versions k ON k.group_id = s.group_id AND k.version = v.key_version
         WHERE s.group_id = $1 AND s.name = $2`,
    },
    [groupId, name, wanted ?? null],
  );
  return row;
}

export async function listVersions(
  db: Db,
  secretId: string,
  { limit, cursor }: PageQuery,
): Promise<Omit<VersionRow, 'sealedValue' | 'keyVersion'>[]> {
  return db.secretVersion.findMany({
    where: { secretId, ...(cursor === undefined ? {} : { version: { lt: Number(cursor) } }) },
    orderBy: { version: 'desc' },
    take: limit + 1,
    select: { id: true, version: true, createdBy: true, createdAt: true },
  });
}

export async function deleteSecret(tx: Db, id: string): Promise<void> {
  await tx.secret.delete({ where: { id } });
}

import { offlinePolicy, secretKind, type LeasePatch, type PageQuery } from '@sallyport/contract';
import { z } from 'zod';
import type { SealedField } from '../keyrings/index.ts';
import { storedPolicy } from '../leases/index.ts';
import type { Database, Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import { Prisma } from '../platform/prisma-client/client.ts';
import type { SealedVersion } from './open-version.ts';

export type OfflinePolicy = z.infer<typeof offlinePolicy>;

/** The columns whose content the database does not check. */
const policies = z.object({
  kind: secretKind,
  delivery: z.enum(['bundle', 'lease']),
  offline: offlinePolicy,
  lease: storedPolicy.nullable(),
});

export type SecretRow = z.infer<typeof policies> & {
  id: string;
  name: string;
  version: number;
  createdAt: Date;
  updatedAt: Date;
};
type Unparsed<Row> = {
  [Key in keyof Row]: Key extends keyof z.infer<typeof policies> ? unknown : Row[Key];
};
/** How agents are to be given a secret; what is undefined stays as it was. */
export type SecretSettings = {
  offline?: OfflinePolicy | undefined;
  lease?: LeasePatch | null | undefined;
};
/** What tells one state of a secret from another. */
export type SecretState = Pick<SecretRow, 'id' | 'version'> & z.infer<typeof policies>;
export type VersionRow = {
  id: string;
  version: number;
  kind: SecretRow['kind'] | null;
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
  return row === null ? undefined : parsed(row);
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
  return rows.map(parsed);
}

/**
 * Creates the secret with version 1, or moves it to its next version; `before` is what was there. One statement, since
 * every change waits for it. The group's row must be locked. What is lent out is never kept on a disk.
 */
export async function upsertSecret(
  tx: Db,
  { groupId, name, now }: { groupId: string; name: string; now: Date },
  { kind, ...settings }: SecretSettings & Pick<SecretRow, 'kind'>,
): Promise<{ secret: SecretRow; before: SecretState | undefined }> {
  const { delivery, offline, policy, settled } = inSql(settings);
  const [row] = await tx.$queryRaw<
    (Unparsed<SecretRow> & { before: z.input<typeof policies> | null })[]
  >`
    WITH before AS (
      SELECT json_build_object(
          'kind', kind, 'delivery', delivery, 'offline', offline, 'lease', lease) AS policies
        FROM secrets WHERE group_id = ${groupId}::uuid AND name = ${name}
    )
    INSERT INTO secrets
      (id, group_id, name, kind, delivery, offline, lease, version, created_at, updated_at)
    VALUES (${newId()}::uuid, ${groupId}::uuid, ${name}, ${kind}, coalesce(${delivery}::text, 'bundle'),
            coalesce(${offline}::text, 'deny'), ${policy}::jsonb, 1,
            ${now}::timestamptz, ${now}::timestamptz)
    ON CONFLICT (group_id, name) DO UPDATE
      SET version = secrets.version + 1, updated_at = excluded.updated_at, kind = excluded.kind, ${settled}
    RETURNING ${ROW}, (SELECT policies FROM before) AS before`;
  if (row === undefined) throw new Error('the secret was not written');
  const { before, ...written } = row;
  const secret = parsed(written);
  if (before === null) return { secret, before: undefined };
  const { id, version } = secret;
  return { secret, before: { id, version: version - 1, ...policies.parse(before) } };
}

/** Changes how agents are given a secret, and nothing else of it. The group's row must be held. */
export async function updateSettings(
  tx: Db,
  { id, now }: { id: string; now: Date },
  settings: SecretSettings,
): Promise<SecretRow> {
  const [row] = await tx.$queryRaw<Unparsed<SecretRow>[]>`
    UPDATE secrets SET updated_at = ${now}::timestamptz, ${inSql(settings).settled}
     WHERE id = ${id}::uuid RETURNING ${ROW}`;
  if (row === undefined) throw new Error('the secret was not written');
  return parsed(row);
}

const ROW = Prisma.raw(
  'id, name, kind, delivery, offline, lease, version, created_at AS "createdAt", updated_at AS "updatedAt"',
);

/** `settled` makes of a row what the settings say; the rest is what they say of a new one, null where nothing. */
function inSql({ lease, ...settings }: SecretSettings) {
  const offline = settings.offline ?? null;
  const delivery = lease === undefined ? null : lease === null ? 'bundle' : 'lease';
  const change = lease ? JSON.stringify(lease) : null;
  const policy = lease ? JSON.stringify(policyOf(lease)) : null;
  const settled = Prisma.sql`
    delivery = coalesce(${delivery}::text, secrets.delivery),
    lease = CASE WHEN ${delivery}::text IS NULL THEN secrets.lease
                 ELSE coalesce(secrets.lease || ${change}::jsonb, ${policy}::jsonb) END,
    offline = coalesce(${offline}::text, CASE WHEN ${delivery}::text = 'lease' THEN 'deny' END, secrets.offline)`;
  return { delivery, offline, policy, settled };
}

export async function insertVersion(
  tx: Db,
  of: { groupId: string; secretId: string },
  row: Omit<VersionRow, 'sealedValue' | 'keyVersion'> & SealedField,
): Promise<void> {
  const { sealed, ...rest } = row;
  await tx.secretVersion.create({ data: { ...rest, ...of, sealedValue: sealed } });
}

type SealedOfKind = SealedVersion & Pick<VersionRow, 'kind'>;
/** `version` is null when the secret has no such version. */
type FoundVersion = (SealedOfKind & { version: number }) | { version: null };

/**
 * The wanted version of a secret, or its newest, with its key: in one statement, so that no rotation comes between
 * the two. `undefined` when there is no such secret.
 */
export async function findSealedVersion(
  db: Database,
  { groupId, name }: { groupId: string; name: string },
  wanted: number | undefined,
): Promise<FoundVersion | undefined> {
  const [row] = await db.direct<FoundVersion>(
    {
      name: 'secret-reveal',
      text: `
        SELECT v.id AS "versionId", v.version, CASE v.version WHEN s.version THEN s.kind ELSE v.kind END AS kind,
               v.sealed_value AS "sealedValue", v.key_version AS "keyVersion", k.wrapped_key AS "wrappedKey"
          FROM secrets s
          LEFT JOIN secret_versions v ON v.secret_id = s.id AND v.version = coalesce($3, s.version)
          LEFT JOIN keyring_versions k ON k.group_id = s.group_id AND k.version = v.key_version
         WHERE s.group_id = $1 AND s.name = $2`,
    },
    [groupId, name, wanted ?? null],
  );
  return row;
}

/** One version of a secret, with its key: in one statement, so that no rotation comes between the two. */
export async function findVersionOf(
  tx: Db,
  { groupId, secretId }: { groupId: string; secretId: string },
  version: number,
): Promise<SealedOfKind | undefined> {
  const [sealed] = await tx.$queryRaw<SealedOfKind[]>`
    SELECT v.id AS "versionId", v.kind, v.sealed_value AS "sealedValue", v.key_version AS "keyVersion",
           k.wrapped_key AS "wrappedKey"
      FROM secret_versions v
      LEFT JOIN keyring_versions k ON k.group_id = ${groupId}::uuid AND k.version = v.key_version
     WHERE v.secret_id = ${secretId}::uuid AND v.version = ${version}::int`;
  return sealed;
}

/** The newest is what the secret is: a replica of an older release keeps no kinds while it runs beside this one. */
export async function listVersions(
  db: Db,
  secret: Pick<SecretRow, 'id' | 'version' | 'kind'>,
  { limit, cursor }: PageQuery,
): Promise<Omit<VersionRow, 'sealedValue' | 'keyVersion'>[]> {
  const rows = await db.secretVersion.findMany({
    where: {
      secretId: secret.id,
      ...(cursor === undefined ? {} : { version: { lt: Number(cursor) } }),
    },
    orderBy: { version: 'desc' },
    take: limit + 1,
    select: { id: true, version: true, kind: true, createdBy: true, createdAt: true },
  });
  return rows.map((row) => ({
    ...row,
    kind: row.version === secret.version ? secret.kind : secretKind.nullable().parse(row.kind),
  }));
}

export async function deleteSecret(tx: Db, id: string): Promise<void> {
  await tx.secret.delete({ where: { id } });
}

/** The policy of a secret that was not lent out before. */
function policyOf({ maxUses = null, windows = [], ...times }: LeasePatch) {
  return { ...times, maxUses, windows };
}

function parsed(row: Unparsed<SecretRow>): SecretRow {
  return { ...row, ...policies.parse(row) };
}

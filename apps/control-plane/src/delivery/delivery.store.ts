import {
  encryptionPublicKey,
  jsonObject,
  offlinePolicy,
  secretKind,
  type EncryptionPublicKey,
} from '@sallyport/contract';
import { z } from 'zod';
import type { Db } from '../platform/db.ts';
import { Prisma } from '../platform/prisma-client/client.ts';

/** As `base64()` below writes it. */
const bytes = z.base64().transform((text) => Buffer.from(text, 'base64'));

const contentRow = z.object({
  revision: z.int(),
  epoch: z.int(),
  durable: z.string().nullable(),
  live: z.string().nullable(),
  secrets: z.array(
    z.object({
      versionId: z.string(),
      name: z.string(),
      kind: secretKind,
      version: z.int(),
      offline: z.string(),
      sealed: bytes,
      keyVersion: z.int(),
    }),
  ),
  plugins: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      version: z.int(),
      offline: offlinePolicy.nullable(),
      config: jsonObject,
      fields: z.array(
        z.object({ id: z.string(), path: z.string(), sealed: bytes, keyVersion: z.int() }),
      ),
    }),
  ),
  certificates: z.array(
    z.object({
      bodyId: z.string(),
      name: z.string(),
      version: z.int(),
      offline: z.string(),
      sealed: bytes,
      keyVersion: z.int(),
    }),
  ),
  hasCertificates: z.boolean(),
  hasReferences: z.boolean(),
  keyring: z.array(z.object({ version: z.int(), wrappedKey: bytes })),
  deliveryKey: z.object({ sealed: bytes, keyVersion: z.int() }),
});

/** What belongs in a group's current revision; its bundle instead, when that is kept already. */
export type GroupContent = Omit<z.infer<typeof contentRow>, 'durable' | 'live'> & {
  kept: KeptBundle | undefined;
};
export type KeptBundle = { durable: string; live: string | null };
export type ContentSecret = GroupContent['secrets'][number];
export type ContentPlugin = GroupContent['plugins'][number];
export type ContentCertificate = GroupContent['certificates'][number];

/** A column of bytes as base64 without line ends, for JSON. */
const base64 = (column: string) =>
  Prisma.raw(`translate(encode(${column}, 'base64'), chr(10), '')`);

/** Reads a group's current revision, and the keys to it, in one statement, which sees one state of the database. */
export async function readContent(db: Db, groupId: string): Promise<GroupContent> {
  const [row] = await db.$queryRaw<unknown[]>`
    SELECT g.revision, g.delivery_epoch AS epoch, b.durable, b.live,
      (SELECT coalesce(json_agg(json_build_object(
          'versionId', v.id, 'name', s.name, 'kind', s.kind, 'version', s.version, 'offline', s.offline,
          'sealed', ${base64('v.sealed_value')}, 'keyVersion', v.key_version) ORDER BY s.name), '[]')
        FROM secrets s JOIN secret_versions v ON v.secret_id = s.id AND v.version = s.version
        WHERE s.group_id = g.id AND s.delivery = 'bundle' AND b.revision IS NULL) AS secrets,
      (SELECT coalesce(json_agg(json_build_object(
          'id', p.id, 'name', p.name, 'version', p.version, 'offline', p.offline, 'config', p.config,
          'fields', (SELECT coalesce(json_agg(json_build_object(
              'id', f.id, 'path', f.path,
              'sealed', ${base64('f.sealed_value')}, 'keyVersion', f.key_version)), '[]')
            FROM plugin_fields f WHERE f.plugin_id = p.id)) ORDER BY p.name), '[]')
        FROM plugins p WHERE p.group_id = g.id AND b.revision IS NULL) AS plugins,
      (SELECT coalesce(json_agg(json_build_object(
          'bodyId', y.id, 'name', c.name, 'version', c.version, 'offline', c.offline,
          'sealed', ${base64('y.sealed_body')}, 'keyVersion', y.key_version) ORDER BY c.name), '[]')
        FROM certificates c JOIN certificate_bodies y ON y.certificate_id = c.id
        WHERE c.group_id = g.id AND b.revision IS NULL) AS certificates,
      EXISTS (SELECT FROM certificates c WHERE c.group_id = g.id) AS "hasCertificates",
      EXISTS (SELECT FROM secrets s WHERE s.group_id = g.id AND s.kind = 'reference') AS "hasReferences",
      (SELECT json_agg(json_build_object(
          'version', k.version, 'wrappedKey', ${base64('k.wrapped_key')}))
        FROM keyring_versions k
        WHERE k.group_id = g.id AND k.wrapped_key IS NOT NULL) AS keyring,
      (SELECT json_build_object(
          'sealed', ${base64('d.sealed_key')}, 'keyVersion', d.key_version)
        FROM delivery_keys d WHERE d.group_id = g.id AND d.epoch = g.delivery_epoch) AS "deliveryKey"
    FROM groups g LEFT JOIN bundles b ON b.group_id = g.id AND b.revision = g.revision
    WHERE g.id = ${groupId}::uuid`;
  const { durable, live, ...content } = contentRow.parse(row);
  return { ...content, kept: durable === null ? undefined : { durable, live } };
}

export async function readRevision(db: Db, groupId: string): Promise<number> {
  const where = { id: groupId };
  return (await db.group.findUniqueOrThrow({ where, select: { revision: true } })).revision;
}

export async function listRevisions(
  db: Db,
  groupIds: string[],
): Promise<{ id: string; revision: number }[]> {
  return db.group.findMany({
    where: { id: { in: groupIds } },
    select: { id: true, revision: true },
  });
}

export async function findBundle(
  db: Db,
  groupId: string,
  revision: number,
): Promise<KeptBundle | undefined> {
  const row = await db.bundle.findUnique({
    where: { groupId_revision: { groupId, revision } },
    select: { durable: true, live: true },
  });
  return row ?? undefined;
}

/** Older bundles are kept for agents that were just told to fetch one. */
const KEPT_BUNDLES = 4;

/** Keeps a bundle, unless another replica was first; returns the one that is kept. */
export async function keepBundle(
  tx: Db,
  row: {
    groupId: string;
    revision: number;
    epoch: number;
    durable: string;
    live: string | null;
    createdAt: Date;
  },
): Promise<KeptBundle> {
  await tx.bundle.createMany({ data: [row], skipDuplicates: true });
  await tx.bundle.deleteMany({
    where: { groupId: row.groupId, revision: { lte: row.revision - KEPT_BUNDLES } },
  });
  return (await findBundle(tx, row.groupId, row.revision)) ?? row;
}

/**
 * Forgets up to `limit` bundles that were made before `before`, of revisions that their groups have left; returns how
 * many. What was deleted since is in them, sealed, and a group whose content became small keeps none in their place.
 */
export async function deleteBundlesLeftBefore(
  db: Db,
  before: Date,
  limit: number,
): Promise<number> {
  return db.$executeRaw`
    DELETE FROM bundles WHERE (group_id, revision) IN (
      SELECT b.group_id, b.revision FROM bundles b JOIN groups g ON g.id = b.group_id
      WHERE b.revision < g.revision AND b.created_at < ${before} LIMIT ${limit})`;
}

export async function getRecipient(
  db: Db,
  agentId: string,
): Promise<{ groupId: string; encryptionKey: EncryptionPublicKey; revokedAt: Date | null }> {
  const row = await db.agent.findUniqueOrThrow({
    where: { id: agentId },
    select: { groupId: true, encryptionKey: true, revokedAt: true },
  });
  return { ...row, encryptionKey: encryptionPublicKey.parse(row.encryptionKey) };
}

export type Acknowledgement = {
  agentId: string;
  groupId: string;
  revision: number;
  status: string;
  seenAtMs: number;
};

/** In place of a revision: the agent runs one that does not exist here. */
export const NONE_OF_HERE = -1;

/**
 * Writes many acknowledgements in one statement. A revision goes backwards only to none at all, and what an agent said
 * of a group that it has left is passed over. Returns the ids of the agents that were lost and are back.
 */
export async function writeAcknowledgements(db: Db, batch: Acknowledgement[]): Promise<string[]> {
  const rows = await db.$queryRaw<{ id: string }[]>`
    WITH heard AS (UPDATE agents a SET
      applied_revision = CASE b.revision WHEN ${NONE_OF_HERE} THEN 0 ELSE greatest(a.applied_revision, b.revision) END,
      status = b.status,
      last_seen_at = greatest(a.last_seen_at, to_timestamp(b.seen_at_ms / 1000.0))
    FROM unnest(
      ${batch.map(({ agentId }) => agentId)}::uuid[],
      ${batch.map(({ groupId }) => groupId)}::uuid[],
      ${batch.map(({ revision }) => revision)}::int[],
      ${batch.map(({ status }) => status)}::text[],
      ${batch.map(({ seenAtMs }) => seenAtMs)}::float8[]
    ) AS b(id, group_id, revision, status, seen_at_ms)
    WHERE a.id = b.id AND a.group_id = b.group_id
    RETURNING a.id, a.lost_at, a.revoked_at)
    SELECT id FROM heard WHERE lost_at IS NOT NULL AND revoked_at IS NULL`;
  return rows.map(({ id }) => id);
}

import { encryptionPublicKey, type EncryptionPublicKey } from '@sallyport/contract';
import type { Db } from '../platform/db.ts';

/** A group's current revision, with its bundle when that was built already. */
export type GroupState = {
  groupId: string;
  revision: number;
  epoch: number;
  bundle?: { durable: string; live: string | null };
};

export async function getGroupState(db: Db, groupId: string): Promise<GroupState> {
  const group = await db.group.findUniqueOrThrow({
    where: { id: groupId },
    select: { revision: true, deliveryEpoch: true },
  });
  const bundle = await findBundle(db, groupId, group.revision);
  return {
    groupId,
    revision: group.revision,
    epoch: group.deliveryEpoch,
    ...(bundle === undefined ? {} : { bundle }),
  };
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
): Promise<{ durable: string; live: string | null } | undefined> {
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
): Promise<{ durable: string; live: string | null }> {
  await tx.bundle.createMany({ data: [row], skipDuplicates: true });
  await tx.bundle.deleteMany({
    where: { groupId: row.groupId, revision: { lte: row.revision - KEPT_BUNDLES } },
  });
  return (await findBundle(tx, row.groupId, row.revision)) ?? row;
}

export type ContentSecret = {
  name: string;
  version: number;
  offline: string;
  versionId: string;
  sealed: Uint8Array;
  keyVersion: number;
};

/** The current version of every secret of a group. */
export async function listContentSecrets(db: Db, groupId: string): Promise<ContentSecret[]> {
  const rows = await db.$queryRaw<
    {
      name: string;
      version: number;
      offline: string;
      id: string;
      sealed_value: Uint8Array;
      key_version: number;
    }[]
  >`
    SELECT s.name, s.version, s.offline, v.id, v.sealed_value, v.key_version
    FROM secrets s JOIN secret_versions v ON v.secret_id = s.id AND v.version = s.version
    WHERE s.group_id = ${groupId}::uuid ORDER BY s.name`;
  return rows.map((row) => ({
    ...row,
    versionId: row.id,
    sealed: row.sealed_value,
    keyVersion: row.key_version,
  }));
}

export async function listContentPlugins(
  db: Db,
  groupId: string,
): Promise<{ name: string; version: number; config: unknown }[]> {
  return db.plugin.findMany({
    where: { groupId },
    orderBy: { name: 'asc' },
    select: { name: true, version: true, config: true },
  });
}

export async function getRecipient(
  db: Db,
  agentId: string,
): Promise<{ encryptionKey: EncryptionPublicKey; revokedAt: Date | null }> {
  const row = await db.agent.findUniqueOrThrow({
    where: { id: agentId },
    select: { encryptionKey: true, revokedAt: true },
  });
  return { ...row, encryptionKey: encryptionPublicKey.parse(row.encryptionKey) };
}

export type Acknowledgement = {
  agentId: string;
  revision: number;
  status: string;
  seenAtMs: number;
};

/** Writes many acknowledgements in one statement; a revision never goes backwards, and who was lost is back. */
export async function writeAcknowledgements(db: Db, batch: Acknowledgement[]): Promise<void> {
  await db.$executeRaw`
    UPDATE agents a SET
      applied_revision = greatest(a.applied_revision, b.revision),
      status = b.status,
      last_seen_at = to_timestamp(b.seen_at_ms / 1000.0),
      lost_at = NULL
    FROM unnest(
      ${batch.map(({ agentId }) => agentId)}::uuid[],
      ${batch.map(({ revision }) => revision)}::int[],
      ${batch.map(({ status }) => status)}::text[],
      ${batch.map(({ seenAtMs }) => seenAtMs)}::float8[]
    ) AS b(id, revision, status, seen_at_ms)
    WHERE a.id = b.id`;
}

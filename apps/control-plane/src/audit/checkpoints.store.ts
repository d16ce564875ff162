import type { AuditCheckpoint, PageQuery } from '@sallyport/contract';
import type { ChainHead } from '@sallyport/crypto/audit-chain';
import type { Database, Db } from '../platform/db.ts';

type Row = { id: string; size: bigint; hash: Uint8Array; note: string; createdAt: Date };

export async function insertCheckpoint(tx: Db, row: AuditCheckpoint): Promise<void> {
  const { id, size, hash, note, createdAt } = row;
  await tx.auditCheckpoint.createMany({
    data: [{ id, size, hash: Buffer.from(hash, 'base64'), note, createdAt: new Date(createdAt) }],
  });
}

/** The newest of a size. */
export async function findCheckpoint(db: Db, size: number): Promise<AuditCheckpoint | undefined> {
  const row = await db.auditCheckpoint.findFirst({ where: { size }, orderBy: { id: 'desc' } });
  return row === null ? undefined : shown(row);
}

/** The newest first. */
export async function listCheckpoints(
  db: Db,
  { limit, cursor }: PageQuery,
): Promise<AuditCheckpoint[]> {
  const rows = await db.auditCheckpoint.findMany({
    where: cursor === undefined ? {} : { id: { lt: cursor } },
    orderBy: { id: 'desc' },
    take: limit + 1,
  });
  return rows.map(shown);
}

/** A checkpoint as it stands in the table: what its columns say, and what was signed. */
export type KeptCheckpoint = ChainHead & { note: string };

/** Those of sizes from `from` up to `to`, in order. */
export async function readCheckpoints(
  db: Database,
  from: number,
  to: number,
): Promise<KeptCheckpoint[]> {
  const rows = await db.direct<{ position: string; hash: string; note: string }>(
    {
      name: 'audit-checkpoints-read',
      text: `SELECT size AS position, encode(hash, 'base64') AS hash, note FROM audit_checkpoints
              WHERE size BETWEEN $1 AND $2 ORDER BY size`,
    },
    [from, to],
  );
  return rows.map((row) => ({ ...row, position: Number(row.position) }));
}

/** How far the last of them reaches; 0 when there is none. */
export async function readLastSize(db: Database): Promise<number> {
  const [row] = await db.direct<{ size: string | null }>(
    { name: 'audit-last-size', text: 'SELECT max(size) AS size FROM audit_checkpoints' },
    [],
  );
  return Number(row?.size ?? 0);
}

/** The greatest of those after `base` that were made before `cutoff` and leave the last link; at most `far` away if any is. */
export async function findDroppable(
  db: Database,
  { base, head, cutoff, far }: { base: number; head: number; cutoff: Date; far: number },
): Promise<number | undefined> {
  const [row] = await db.direct<{ size: string | null }>(
    {
      name: 'audit-droppable',
      text: `SELECT coalesce(max(size) FILTER (WHERE size <= $1 + $4::bigint), min(size)) AS size
               FROM audit_checkpoints WHERE size > $1::bigint AND size < $2 AND created_at < $3`,
    },
    [base, head, cutoff, far],
  );
  return row?.size == null ? undefined : Number(row.size);
}

/** Drops what ends at a checkpoint; the database checks again that all of it is older. False when another was first. */
export async function dropSegment(tx: Db, upTo: number, cutoff: Date): Promise<boolean> {
  const [row] = await tx.$queryRaw<
    { dropped: boolean }[]
  >`SELECT audit_drop_segment(${upTo}::bigint, ${cutoff}::timestamptz) > 0 AS dropped`;
  return row?.dropped === true;
}

function shown({ id, size, hash, note, createdAt }: Row): AuditCheckpoint {
  return {
    id,
    size: Number(size),
    hash: Buffer.from(hash).toString('base64'),
    note,
    createdAt: createdAt.toISOString(),
  };
}

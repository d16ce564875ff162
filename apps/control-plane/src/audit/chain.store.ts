import type { AuditEvent } from '@sallyport/contract';
import { GENESIS, type ChainHead } from '@sallyport/crypto/audit-chain';
import type { AuditRow } from '../platform/audit-row.ts';
import type { Database } from '../platform/db.ts';
import { eventOf } from './audit-event.ts';

/** The columns of an event as `eventOf` takes them. */
export const EVENT_COLUMNS = `e.id, e.at, e.actor_kind AS "actorKind", e.actor_id AS "actorId",
  e.actor_name AS "actorName", e.action, e.subject, e.group_id AS "groupId", e.outcome, e.address,
  e.request_id AS "requestId", e.details`;
/** 32 bytes make one line of base64. */
export const LINK_COLUMNS = `l.position, encode(l.hash, 'base64') AS hash`;

export const LAST_LINK = `SELECT ${LINK_COLUMNS} FROM audit_links l ORDER BY l.position DESC LIMIT 1`;

type LinkRow = { position: string; hash: string };
/** A link as it was read; its event may be gone. */
export type StoredLink = ChainHead & { event: AuditEvent | undefined };

/** The links after a position, in order. */
export async function readLinks(
  db: Database,
  after: number,
  upTo: number,
  limit: number,
): Promise<StoredLink[]> {
  const rows = await db.direct<LinkRow & Partial<AuditRow>>(
    {
      name: 'audit-links-read',
      text: `SELECT ${LINK_COLUMNS}, ${EVENT_COLUMNS}
               FROM audit_links l LEFT JOIN audit_events e ON e.seq = l.event_seq
              WHERE l.position > $1 AND l.position <= $2 ORDER BY l.position LIMIT $3`,
    },
    [after, upTo, limit],
  );
  return rows.map((row) => ({
    ...headOf(row),
    event: hasEvent(row) ? eventOf(row) : undefined,
  }));
}

function hasEvent(row: LinkRow & { id?: string | null }): row is LinkRow & AuditRow {
  return row.id != null;
}

export function headOf({ position, hash }: LinkRow): ChainHead {
  return { position: Number(position), hash };
}

/** The last link; where a chain without links begins when there is none. */
export async function readHead(db: Database): Promise<ChainHead> {
  const [row] = await db.direct<LinkRow>({ name: 'audit-head', text: LAST_LINK }, []);
  return row === undefined ? GENESIS : headOf(row);
}

/** The link at a position. */
export async function findLink(db: Database, position: number): Promise<ChainHead | undefined> {
  const [row] = await db.direct<LinkRow>(
    { name: 'audit-link', text: `SELECT ${LINK_COLUMNS} FROM audit_links l WHERE l.position = $1` },
    [position],
  );
  return row === undefined ? undefined : headOf(row);
}

/** The position after which the kept part of the chain begins. */
export async function readBasePosition(db: Database): Promise<number> {
  const [row] = await db.direct<{ first: string | null }>(
    { name: 'audit-first', text: 'SELECT min(position) AS first FROM audit_links' },
    [],
  );
  return row?.first == null ? 0 : Number(row.first) - 1;
}

/** Whether the audit itself says that what ends at this position was dropped. */
export async function isRecordedBase(db: Database, position: number): Promise<boolean> {
  const rows = await db.direct(
    {
      name: 'audit-base-recorded',
      text: `SELECT FROM audit_events WHERE subject = $1 AND action = 'audit:purge' LIMIT 1`,
    },
    [purgeSubject(position)],
  );
  return rows.length > 0;
}

export function purgeSubject(position: number): string {
  return `audit:${position}`;
}

const LOOKED_AT_ONCE = 100_000;

/** The lowest and the highest number that an event has. */
export async function readNumbers(
  db: Database,
): Promise<{ first: number; last: number } | undefined> {
  const [range] = await db.direct<{ first: string | null; last: string | null }>(
    { name: 'audit-numbers', text: 'SELECT min(seq) AS first, max(seq) AS last FROM audit_events' },
    [],
  );
  if (range?.first == null) return undefined;
  return { first: Number(range.first), last: Number(range.last) };
}

/** The lowest of these numbers whose event has no place in the chain. Reads them in parts, so that no statement takes long. */
export async function findUnplaced(
  db: Database,
  { first, last }: { first: number; last: number },
): Promise<number | undefined> {
  for (let from = first; from <= last; from += LOOKED_AT_ONCE) {
    const upTo = Math.min(from + LOOKED_AT_ONCE - 1, last);
    const [row] = await db.direct<{ seq: string | null }>(
      {
        name: 'audit-unplaced',
        text: `SELECT min(seq) AS seq FROM (
                 SELECT seq FROM audit_events WHERE seq BETWEEN $1 AND $2
                 EXCEPT SELECT event_seq FROM audit_links WHERE event_seq BETWEEN $1 AND $2) AS left_over`,
      },
      [from, upTo],
    );
    if (row?.seq != null) return Number(row.seq);
  }
  return undefined;
}

import type { AuditEvent } from '@sallyport/contract';
import { GENESIS, type ChainHead, type ChainLink } from '@sallyport/crypto/audit-chain';
import type pg from 'pg';
import { arrayLiteral } from '../platform/array-literal.ts';
import type { AuditRow } from '../platform/audit-row.ts';
import type { Database } from '../platform/db.ts';
import { eventOf } from './audit-event.ts';
import { EVENT_COLUMNS, headOf, LAST_LINK } from './chain.store.ts';
import { UnlinkedNumbers } from './unlinked.ts';

/** The connection that holds the sequencer's lock. All that it writes goes over it, so that nothing is written without the lock. */
type Leader = Pick<pg.Client, 'query'>;

/** Where the chain ends, read over the leader's own connection. */
export async function readOwnHead(client: Leader): Promise<ChainHead> {
  const { rows } = await client.query<{ position: string; hash: string }>(LAST_LINK);
  return rows[0] === undefined ? GENESIS : headOf(rows[0]);
}

/** What an earlier leader has left to place. */
export async function readUnlinked(client: Leader): Promise<UnlinkedNumbers> {
  const { rows: progress } = await client.query<{ low: string }>(
    'SELECT low_water AS low FROM audit_progress WHERE id = 1',
  );
  const low = Number(progress[0]?.low ?? 0);
  const { rows } = await client.query<{ first: string | null; last: string; next: string }>(
    `WITH linked AS MATERIALIZED (
       SELECT event_seq AS seq, lag(event_seq, 1, $1::bigint) OVER (ORDER BY event_seq) AS before
         FROM audit_links WHERE event_seq > $1)
     SELECT gap.before + 1 AS first, gap.seq - 1 AS last,
            coalesce((SELECT max(seq) FROM linked), $1) + 1 AS next
       FROM (SELECT) AS one LEFT JOIN linked AS gap ON gap.seq > gap.before + 1
      ORDER BY gap.seq`,
    [low],
  );
  const gaps = rows.flatMap(({ first, last }) =>
    first === null ? [] : [{ first: Number(first), last: Number(last) }],
  );
  const { rows: ids } = await client.query<{ id: string }>(
    'SELECT pg_current_xact_id()::text AS id',
  );
  return new UnlinkedNumbers(Number(rows[0]?.next), gaps, BigInt(ids[0]?.id ?? 0));
}

type UnlinkedEvent = { seq: number; event: AuditEvent };
/** Every transaction below `xmin` was over for the statement that found these. */
export type Found = { events: UnlinkedEvent[]; xmin: bigint };

/** Each range is looked up by itself in the index on seq: joined at large, the planner would read the whole table. */
const FIND = {
  name: 'audit-unlinked',
  text: `
    WITH now AS MATERIALIZED (SELECT pg_current_snapshot() AS snapshot)
    SELECT pg_snapshot_xmin(snapshot)::text AS xmin, found.*
      FROM now LEFT JOIN LATERAL (
        SELECT e.* FROM unnest($1::bigint[], $2::bigint[]) AS range(first, last)
         CROSS JOIN LATERAL (
           SELECT e.seq, ${EVENT_COLUMNS} FROM audit_events e
            WHERE e.seq BETWEEN range.first AND range.last ORDER BY e.seq LIMIT $3) AS e
         ORDER BY e.seq LIMIT $3) AS found ON true`,
};
const LAST_NUMBER = '9223372036854775807';

/** The events of these numbers that are committed, in order, at most `limit`; and what that statement saw. */
export async function findUnlinked(
  db: Database,
  ranges: readonly { first: number; last: number }[],
  limit: number,
): Promise<Found> {
  const rows = await db.direct<Partial<AuditRow> & { xmin: string; seq: string | null }>(FIND, [
    arrayLiteral(ranges.map(({ first }) => first)),
    arrayLiteral(ranges.map(({ last }) => (last === Infinity ? LAST_NUMBER : last))),
    limit,
  ]);
  const events = rows.flatMap((row) =>
    isEvent(row) ? [{ seq: Number(row.seq), event: eventOf(row) }] : [],
  );
  return { events, xmin: BigInt(rows[0]?.xmin ?? 0) };
}

function isEvent<Row extends { seq: string | null }>(row: Row): row is Row & AuditRow {
  return row.seq !== null;
}

const INSERT = {
  name: 'audit-links-insert',
  text: `WITH placed AS (
           INSERT INTO audit_links (position, event_seq, hash)
           SELECT position, seq, decode(hash, 'base64')
             FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS link(position, seq, hash))
         SELECT pg_current_xact_id()::text AS id`,
};

/** Puts events in their places, all or none; returns the id of the transaction that did. */
export async function insertLinks(
  client: Leader,
  events: readonly UnlinkedEvent[],
  links: readonly ChainLink[],
): Promise<bigint> {
  const { rows } = await client.query<{ id: string }>({
    ...INSERT,
    values: [
      arrayLiteral(links.map(({ position }) => position)),
      arrayLiteral(events.map(({ seq }) => seq)),
      arrayLiteral(links.map(({ hash }) => hash)),
    ],
  });
  return BigInt(rows[0]?.id ?? 0);
}

/** Tells whoever takes over how far back to look. */
export async function saveLowWater(client: Leader, lowWater: number): Promise<void> {
  await client.query(
    `INSERT INTO audit_progress (id, low_water) VALUES (1, $1)
     ON CONFLICT (id) DO UPDATE SET low_water = greatest(audit_progress.low_water, excluded.low_water)`,
    [lowWater],
  );
}

import { uuid, type AuditEntry, type AuditQuery } from '@sallyport/contract';
import type { AuditRow } from '../platform/audit-row.ts';
import type { Database } from '../platform/db.ts';
import { eventOf } from './audit-event.ts';
import { EVENT_COLUMNS, headOf, LINK_COLUMNS } from './chain.store.ts';

/** Without a name: planned for the filters that are there, each time anew. */
const FILTERED = `
  SELECT ${LINK_COLUMNS}, ${EVENT_COLUMNS}, g.name AS "group"
    FROM audit_links l JOIN audit_events e ON e.seq = l.event_seq LEFT JOIN groups g ON g.id = e.group_id
   WHERE ($1::text IS NULL OR e.actor_name = $1) AND ($2::uuid IS NULL OR e.actor_id = $2)
     AND ($3::text IS NULL OR e.action = $3) AND ($4::text IS NULL OR e.subject = $4)
     AND ($5::text IS NULL OR e.outcome = $5) AND ($6::text IS NULL OR e.request_id = $6)
     AND ($7::timestamptz IS NULL OR e.at >= $7) AND ($8::timestamptz IS NULL OR e.at < $8)
     AND ($9::uuid[] IS NULL OR e.group_id = ANY ($9)) AND ($10::text IS NULL OR e.details->>'code' = $10)`;
const ORDERS = {
  newest: `${FILTERED} AND ($11::bigint IS NULL OR l.position < $11) ORDER BY l.position DESC LIMIT $12`,
  oldest: `${FILTERED} AND ($11::bigint IS NULL OR l.position > $11) ORDER BY l.position LIMIT $12`,
};

/**
 * A page of the events that match, and one more. `groups` are ids; `undefined` leaves none out. An actor that is an id
 * is looked for by that alone: names are chosen, and one may be another's id.
 */
export async function findEvents(
  db: Database,
  query: AuditQuery,
  groups: readonly string[] | undefined,
): Promise<AuditEntry[]> {
  const { actor, action, subject, outcome, requestId, since, until, code, cursor, limit } = query;
  const id = uuid.safeParse(actor).data;
  const name = id === undefined ? actor : undefined;
  const filters = [
    name,
    id,
    action,
    subject,
    outcome,
    requestId,
    since,
    until,
    groups,
    code,
    cursor,
  ];
  const rows = await db.direct<AuditRow & { position: string; hash: string; group: string | null }>(
    { text: ORDERS[query.order] },
    [...filters.map((filter) => filter ?? null), limit + 1],
  );
  return rows.map((row) => ({ ...headOf(row), group: row.group, event: eventOf(row) }));
}

import type { Operation } from '../authorization/index.ts';
import { arrayLiteral } from '../platform/array-literal.ts';
import type { AuditRow } from '../platform/audit-row.ts';
import type { Database, Db } from '../platform/db.ts';
import type { AuditDetails } from './audit-details.ts';
import { auditRow, type AuditAct } from './audit-event.ts';

/** Records an act in the transaction that does it, and calls the operation's `onAct`. */
export async function appendAuditEvent<Details extends AuditDetails>(
  tx: Db,
  op: Operation,
  act: AuditAct<Details>,
  nowMs: number,
): Promise<void> {
  await appendAuditEvents(tx, [{ op, act }], nowMs);
}

/** The same for several acts that one transaction does, or that an agent tells of. */
export async function appendAuditEvents(
  tx: Db,
  events: readonly { op: Operation; act: AuditAct }[],
  nowMs: number,
): Promise<void> {
  const rows = events.map(({ op, act }) => auditRow(op, act, nowMs));
  // `createMany` is the quicker for one, and takes half a millisecond of the processor for each more.
  if (rows.length <= 1) await tx.auditEvent.createMany({ data: rows });
  else await tx.$executeRawUnsafe(insertInto('audit_events').text, ...columnsOf(rows));
  for (const { op, act } of events) if (act.outcome === 'done') await op.onAct?.(tx);
}

/** A list for each column: one statement, whose text does not depend on how many rows there are. */
const insertInto = (table: string) => ({
  name: `${table}-insert`,
  text: `
    INSERT INTO ${table} (id, at, actor_kind, actor_id, actor_name, action, subject, group_id, outcome,
                              address, request_id, details)
    SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::uuid[], $5::text[], $6::text[],
                         $7::text[], $8::uuid[], $9::text[], $10::text[], $11::text[], $12::jsonb[])`,
});

/** Records acts that nothing else is written for, all or none. `table` is another in a benchmark alone. */
export async function insertAuditRows(
  db: Database,
  rows: readonly AuditRow[],
  table: 'audit_events' | 'audit_raw' = 'audit_events',
): Promise<void> {
  await db.direct(insertInto(table), columnsOf(rows));
}

function columnsOf(rows: readonly AuditRow[]): unknown[] {
  return [
    arrayLiteral(rows.map(({ id }) => id)),
    arrayLiteral(rows.map(({ at }) => at.toISOString())),
    rows.map(({ actorKind }) => actorKind),
    arrayLiteral(rows.map(({ actorId }) => actorId)),
    rows.map(({ actorName }) => actorName),
    rows.map(({ action }) => action),
    rows.map(({ subject }) => subject),
    arrayLiteral(rows.map(({ groupId }) => groupId)),
    rows.map(({ outcome }) => outcome),
    rows.map(({ address }) => address),
    rows.map(({ requestId }) => requestId),
    rows.map(({ details }) => JSON.stringify(details)),
  ];
}

import type { AuditEvent } from '@sallyport/contract';
import type { Operation } from '../authorization/index.ts';
import type { AuditRow } from '../platform/audit-row.ts';
import { newId } from '../platform/new-id.ts';
import type { AuditAction } from './actions.ts';
import { boundedText, storedDetails, type AuditDetails } from './audit-details.ts';

type Outcome = 'done' | 'refused';

/** `Details` is what TypeScript finds in a call: a detail of another name than those on the list does not compile. */
export type AuditAct<Details extends AuditDetails = AuditDetails> = {
  /** `resource:verb`, one of the registry. */
  action: AuditAction;
  /** What it was done to, such as `secret:db/password`. */
  subject: string;
  groupId?: string;
  outcome: Outcome;
  details?: Details & Record<Exclude<keyof Details, keyof AuditDetails>, never>;
};

/** An act as an event: who, what, on what, from where, with what outcome, under which request id. */
export function auditRow(
  op: Operation,
  act: Omit<AuditAct, 'action'> & { action: string },
  nowMs: number,
): AuditRow {
  return {
    id: newId(),
    at: new Date(nowMs),
    actorKind: op.actor.kind,
    actorId: op.actor.id ?? null,
    actorName: boundedText(op.actor.name),
    action: act.action,
    subject: boundedText(act.subject),
    groupId: act.groupId ?? null,
    outcome: act.outcome,
    address: boundedText(op.address),
    requestId: op.requestId,
    details: storedDetails(act.details ?? {}),
  };
}

/** As it is read: the database knows instants that are none here, such as infinity. Nobody recorded them. */
type FoundRow = Omit<AuditRow, 'at'> & { at: Date | number };

/** An event as it is hashed, shown and exported; its members in the order in which it is hashed. */
export function eventOf(row: FoundRow): AuditEvent {
  return {
    action: row.action,
    actor: { id: row.actorId, kind: row.actorKind, name: row.actorName },
    address: row.address,
    at: typeof row.at === 'number' ? String(row.at) : row.at.toISOString(),
    details: row.details,
    groupId: row.groupId,
    id: row.id,
    outcome: row.outcome,
    requestId: row.requestId,
    subject: row.subject,
  };
}

import type { Operation } from '../authorization/index.ts';
import type { Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';

/** Names, ids, counts and codes. The type keeps objects out; callers keep values out. */
export type AuditDetails = Record<string, string | number | boolean | string[] | null>;

export type AuditAct = {
  /** `resource:verb`, as in the policy. */
  action: string;
  /** What it was done to, such as `secret:db/password`. */
  subject: string;
  groupId?: string;
  outcome: 'done' | 'refused';
  details?: AuditDetails;
};

/** Records an act in the transaction that does it, and lets who leads it know. */
export async function appendAuditEvent(
  tx: Db,
  op: Operation,
  act: AuditAct,
  nowMs: number,
): Promise<void> {
  await tx.auditEvent.create({
    data: {
      id: newId(),
      at: new Date(nowMs),
      actorKind: op.actor.kind,
      actorId: op.actor.id ?? null,
      actorName: op.actor.name,
      action: act.action,
      subject: act.subject,
      groupId: act.groupId ?? null,
      outcome: act.outcome,
      address: op.address,
      requestId: op.requestId,
      details: act.details ?? {},
    },
  });
  if (act.outcome === 'done') await op.onAct?.(tx);
}

import type { Operation } from '../authorization/index.ts';
import { AppError, type Denial } from '../platform/app-error.ts';
import type { BatchLimits } from '../platform/batches.ts';
import type { Platform } from '../platform/platform.ts';
import type { AuditDetails } from './audit-details.ts';
import { auditRow, type AuditAct } from './audit-event.ts';

/** Two lanes: while one write waits for the disk, the next is under way. */
export const AUDIT_WRITES: BatchLimits = {
  batch: 500,
  lanes: 2,
  queued: 10_000,
  refusal: auditBusy,
};

/** What it takes to record an act that nothing else is written for. */
export type Recording = Pick<Platform, 'auditRows' | 'clock'>;

/**
 * Records an act that nothing else is written for. Resolves when the event is committed: nothing that the act
 * gives may be released before.
 *
 * @throws AppError `audit.busy`, `server.unavailable`
 */
export async function recordAct<Details extends AuditDetails>(
  { auditRows, clock }: Recording,
  op: Operation,
  act: AuditAct<Details>,
): Promise<void> {
  await auditRows.add(auditRow(op, act, clock.now()));
}

/** Records a refusal for want of a right, under the name of that right. */
export async function recordDenial(
  { auditRows, clock }: Recording,
  op: Operation,
  { permission, groupId }: Denial,
  on: { subject: string; code: string },
): Promise<void> {
  const act = {
    action: permission,
    subject: on.subject,
    ...(groupId === undefined ? {} : { groupId }),
    outcome: 'refused',
    details: { code: on.code },
  } as const;
  await auditRows.add(auditRow(op, act, clock.now()));
}

/** The refusal where too many acts wait to be recorded. */
export function auditBusy(): AppError {
  return new AppError('audit.busy', 'Too many acts wait to be recorded; try again shortly.', {
    retryAfterSeconds: 2,
  });
}

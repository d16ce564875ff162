import type { AuditRow } from '@sallyport/control-plane/src/platform/audit-row.ts';
import { newId } from '@sallyport/control-plane/src/platform/new-id.ts';

const GROUPS = Array.from({ length: 20 }, newId);

/** The event of a reveal, as the control plane records it. */
export function auditEventRow(index: number): AuditRow {
  return {
    id: newId(),
    at: new Date(),
    actorKind: 'operator',
    actorId: GROUPS[index % 7] ?? null,
    actorName: `operator-${index % 7}`,
    action: 'secret:reveal',
    subject: `secret:service-${index % 50}/password`,
    groupId: GROUPS[index % GROUPS.length] ?? null,
    outcome: 'done',
    address: '192.0.2.7',
    requestId: newId(),
    details: { version: index % 9 },
  };
}

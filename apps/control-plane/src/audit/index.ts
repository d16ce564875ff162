export { appendAuditEvent, appendAuditEvents, insertAuditRows } from './audit.store.ts';
export type { AuditAction } from './actions.ts';
export { AUDIT_WRITES, recordAct, recordDenial } from './record-act.ts';
export { auditKeyPlace, openAuditKeys, type AuditKeys } from './audit-keys.ts';
export { auditRoutes } from './audit.routes.ts';
export { RefusedUses } from './refused-uses.ts';
export { signHead } from './checkpoints.ts';
export { purgeAudit } from './retention.ts';
export { Sequencer } from './sequencer.ts';

export { appendAuditEvent, type AuditAct } from './audit.store.ts';

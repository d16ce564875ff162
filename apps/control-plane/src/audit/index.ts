export { appendAuditEvent } from './audit.store.ts';

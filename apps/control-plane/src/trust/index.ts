export { SERVER_CERTIFICATE_DAYS, type ServerCertificate } from './certificate-authority.ts';
export { openTrust, type Trust } from './open-trust.ts';
export { lockFirstStart } from './trust.store.ts';

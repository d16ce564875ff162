export { certificateField } from './certificate-field.ts';
export { certificatesRoutes } from './certificates.routes.ts';
export { countExpiring, WARN_DAYS, warnOfCertificateExpiry } from './certificate-expiry.ts';

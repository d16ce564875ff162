export { certificateField } from './certificate-field.ts';
export { certificatesRoutes } from './certificates.routes.ts';
export { countExpiring, warnOfCertificateExpiry } from './certificate-expiry.ts';

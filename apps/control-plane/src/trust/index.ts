export {
  SERVER_CERTIFICATE_DAYS,
  type CertificateAuthority,
  type ServerCertificate,
} from './certificate-authority.ts';
export { WrongRootKey } from './installation.ts';
export { openTrust, type Trust } from './open-trust.ts';
export { lockFirstStart } from './trust.store.ts';

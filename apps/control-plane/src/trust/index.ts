export { authorityKeyPlace, createAuthority } from './authorities.ts';
export { SERVER_CERTIFICATE_DAYS, type ServerCertificate } from './certificate-authority.ts';
export { OwnStores } from './own-stores.ts';
export { openTrust, type Trust } from './open-trust.ts';
export { refuseUnknownRoot, sealUnderRoot } from './seal-under-root.ts';
export { signingKeyPlace } from './signing-keys.ts';
export {
  deleteAuthority,
  findInstallation,
  holdAuthority,
  listAuthorities,
  lockFirstStart,
  lockInstallation,
  lockInstallationAlone,
  setAuthorityState,
  updateInstallation,
  type AuthorityRow,
} from './trust.store.ts';

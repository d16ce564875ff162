export { createKeyring, Keyring, sealForGroup, type SealedField } from './keyring.ts';

export { Keyring, keyPlace, sealForGroup, type SealedField } from './keyring.ts';
export { rewrapKeyrings } from './rewrap.ts';
export {
  createKeyring,
  rotateDueKeyrings,
  rotateKeyring,
  showKeyring,
  type KeyringPolicy,
} from './rotate-keyring.ts';

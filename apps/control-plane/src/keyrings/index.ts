export { Keyring, keyPlace, openUnderRoot, sealForGroup, type SealedField } from './keyring.ts';
export { UnreadableValue } from './unreadable-value.ts';
export { UnreadableReports } from './unreadable-reports.ts';
export { rewrapKeyrings } from './rewrap.ts';
export {
  createKeyring,
  rotateDueKeyrings,
  rotateKeyring,
  showKeyring,
  type KeyringPolicy,
} from './rotate-keyring.ts';

export { rotateRootKey } from './rotate-root-key.ts';

export {
  FRESH_MS,
  holdsAll,
  Operation,
  systemOperation,
  type Grant,
  type Principal,
} from './operation.ts';
export { isPermission, type Permission } from './policy.ts';

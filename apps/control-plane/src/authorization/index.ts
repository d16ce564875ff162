export { Operation, systemOperation, type Actor } from './operation.ts';
export { policy, type Permission } from './policy.ts';

export { Operation, systemOperation, type Actor, type Grant } from './operation.ts';
export type { Permission } from './policy.ts';

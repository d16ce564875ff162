export { Operation, systemOperation, type Grant, type Principal } from './operation.ts';
export type { Permission } from './policy.ts';

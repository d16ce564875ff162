export { Operation, systemOperation } from './operation.ts';
export type { Permission } from './policy.ts';

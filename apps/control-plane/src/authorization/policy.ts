import type { Role } from '@sallyport/contract';

const everyone: readonly Role[] = ['owner', 'admin', 'operator', 'auditor', 'viewer'];
const changers: readonly Role[] = ['owner', 'admin', 'operator'];
const administrators: readonly Role[] = ['owner', 'admin'];

/** Who may do what: every act of the operator API, and the roles that hold it. */
export const policy = {
  'session:delete': everyone,
  'operator:read-self': everyone,
  'system:read': everyone,
  'group:create': administrators,
  'group:read': everyone,
  'enrollment-token:create': changers,
  'enrollment-token:read': everyone,
  'enrollment-token:revoke': changers,
  'agent:read': everyone,
  'agent:revoke': changers,
  'task:create': changers,
  'task:read': everyone,
  'secret:write': changers,
  'secret:read': everyone,
  'secret:reveal': changers,
  'secret:delete': changers,
  'plugin:write': changers,
  'plugin:read': everyone,
  'plugin:delete': changers,
} as const satisfies Record<string, readonly Role[]>;

export type Permission = keyof typeof policy;

/** Whether a role holds a permission. */
export function allows(role: Role, permission: Permission): boolean {
  return policy[permission].includes(role);
}

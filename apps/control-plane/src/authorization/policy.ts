import type { Role } from '@sallyport/contract';

const everyone: readonly Role[] = ['owner', 'admin', 'operator', 'auditor', 'viewer'];
const changers: readonly Role[] = ['owner', 'admin', 'operator'];
const administrators: readonly Role[] = ['owner', 'admin'];
/** Owners say who is an operator; admins say what they may do, up to what an admin may. */
const owners: readonly Role[] = ['owner'];
/** Of one's own: whoever has shown a credential may, also without a role. */
const anyCaller = 'any-caller';

/** Who may do what: every act of the operator API, and the roles that hold it. */
export const policy = {
  'session:read': anyCaller,
  'session:delete': anyCaller,
  'principal:read-self': anyCaller,
  'principal:change-password': anyCaller,
  'totp:create': anyCaller,
  'totp:confirm': anyCaller,
  'totp:delete': anyCaller,
  'system:read': anyCaller,
  'sensitive-data:read': ['owner', 'admin', 'auditor'],
  'operator:create': owners,
  'operator:read': ['owner', 'admin', 'auditor'],
  'operator:delete': owners,
  'operator:reset-password': owners,
  'operator:reset-totp': owners,
  'role-binding:create': administrators,
  'role-binding:read': ['owner', 'admin', 'auditor'],
  'role-binding:delete': administrators,
  'api-key:create': administrators,
  'api-key:read': ['owner', 'admin', 'auditor'],
  'api-key:rotate': administrators,
  'api-key:revoke': administrators,
  'group:create': administrators,
  'group:read': everyone,
  'group:update': administrators,
  'group:delete': administrators,
  'keyring:read': ['owner', 'admin', 'auditor'],
  'keyring:rotate': administrators,
  'enrollment-token:create': changers,
  'enrollment-token:read': everyone,
  'enrollment-token:revoke': changers,
  'agent:read': everyone,
  'agent:admit': changers,
  'agent:update': changers,
  'agent:revoke': changers,
  'agent:ban': changers,
  'agent:move': changers,
  'bundle:export': changers,
  'agent-token:create': changers,
  'agent-token:read': everyone,
  'agent-token:rotate': changers,
  'agent-token:revoke': changers,
  'link:create': changers,
  'link:read': everyone,
  'link:delete': changers,
  'task:create': changers,
  'task:read': everyone,
  'secret:write': changers,
  'secret:read': everyone,
  'secret:reveal': changers,
  'secret:delete': changers,
  'lease:read': everyone,
  'lease:revoke': changers,
  'plugin-type:write': administrators,
  'plugin-type:read': everyone,
  'plugin:write': changers,
  'plugin:read': everyone,
  'plugin:delete': changers,
  'certificate:write': changers,
  'certificate:read': everyone,
  'certificate:delete': changers,
  'certificate-authority:read': ['owner', 'admin', 'auditor'],
  'certificate-authority:prepare': administrators,
  'certificate-authority:activate': administrators,
  'certificate-authority:retire': administrators,
  'certificate-authority:delete': administrators,
  'audit:read': ['owner', 'admin', 'auditor'],
  'audit:checkpoint': ['owner', 'admin', 'auditor'],
  'audit:verify': ['owner', 'admin', 'auditor'],
  'audit:export': ['owner', 'admin', 'auditor'],
} as const satisfies Record<string, readonly Role[] | typeof anyCaller>;

export type Permission = keyof typeof policy;

/** Whether a role holds a permission. */
export function allows(role: Role, permission: Permission): boolean {
  const holders: readonly Role[] | typeof anyCaller = policy[permission];
  return holders === anyCaller || holders.includes(role);
}

/** Whether a permission asks for no role. */
export function isOpen(permission: Permission): boolean {
  return policy[permission] === anyCaller;
}

export function isPermission(name: string): name is Permission {
  return Object.hasOwn(policy, name);
}

/** Every permission, in the order of the policy. */
export const permissions = Object.keys(policy).filter(isPermission);

/** Everything that a role holds. */
export function permissionsOf(role: Role): Permission[] {
  return permissions.filter((permission) => allows(role, permission));
}

import type { HeldRole } from '@sallyport/contract';
import type { Grant, Operation, Permission } from '../authorization/index.ts';
import { authorizedGroup } from '../groups/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import type { Platform } from '../platform/platform.ts';
import { listHeldRoles, type Holder, type NamedGrant } from './role-bindings.store.ts';

/**
 * What somebody is to hold, once the caller may give it: the permission where the role is to hold, and
 * everything that the role brings, since nobody gives what they do not hold.
 *
 * @throws AppError `group.not_found`, `permission.denied`
 */
export async function authorizedGrants(
  platform: Platform,
  op: Operation,
  permission: Permission,
  roles: readonly HeldRole[],
): Promise<Grant[]> {
  const grants: Grant[] = [];
  refuseTwice(roles);
  for (const { role, group } of roles) {
    if (group === null) op.authorize(permission);
    const groupId =
      group === null ? null : (await authorizedGroup(platform, op, permission, group)).id;
    op.authorizeGrant({ role, groupId });
    grants.push({ role, groupId });
  }
  return grants;
}

function refuseTwice(roles: readonly HeldRole[]): void {
  const distinct = new Set(roles.map(({ role, group }) => `${role} ${group ?? ''}`));
  if (distinct.size === roles.length) return;
  const issues = [{ field: 'body.roles', message: 'names a role twice for the same place' }];
  throw new AppError('request.invalid', 'The request is not valid: see body.roles.', { issues });
}

/**
 * Asks for the right to act for a holder, such as to give it a new password: whoever may do that gets what
 * the holder has, so they must hold it themselves.
 *
 * @throws AppError `permission.denied`
 */
export async function authorizeOver(
  db: Db,
  op: Operation,
  holder: Holder,
): Promise<readonly NamedGrant[]> {
  const held = await heldRolesOf(db, holder);
  for (const grant of held) op.authorizeGrant(grant);
  return held;
}

/** What a holder holds, in the order in which it was given. */
export async function heldRolesOf(db: Db, holder: Holder): Promise<NamedGrant[]> {
  const [id, holders] =
    'operatorId' in holder
      ? [holder.operatorId, { operatorIds: [holder.operatorId] }]
      : [holder.apiKeyId, { apiKeyIds: [holder.apiKeyId] }];
  return (await listHeldRoles(db, holders)).get(id) ?? [];
}

/** A grant as the API shows it. */
export function shownRole({ role, group }: NamedGrant): HeldRole {
  return { role, group };
}

/** Roles as an audit event names them, in an order that does not depend on who gave them when. */
export function rolesInWords(roles: readonly HeldRole[]): string[] {
  return roles.map(({ role, group }) => (group === null ? role : `${role} in ${group}`)).toSorted();
}

import type { HeldRole, PageQuery, RoleBinding } from '@sallyport/contract';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import { isUniqueViolation, type Db } from '../platform/db.ts';
import { pageOf, type Page } from '../platform/page-of.ts';
import type { Platform } from '../platform/platform.ts';
import { authorizedGrants } from './grant-roles.ts';
import {
  deleteRoleBinding,
  findRoleBinding,
  holdOperator,
  insertRoleBindings,
  listRoleBindings,
  lockOwners,
  type RoleBindingRow,
} from './role-bindings.store.ts';

/** Gives an operator a role. */
export async function createRoleBinding(
  platform: Platform,
  op: Operation,
  wanted: HeldRole & { operator: string },
): Promise<RoleBinding> {
  const grants = await authorizedGrants(platform, op, 'role-binding:create', [wanted]);
  const { db, clock } = platform;
  const by = { createdBy: op.actor.name, createdAt: new Date(clock.now()) };
  try {
    return await db.transaction(async (tx) => {
      const operatorId = await holdOperator(tx, wanted.operator);
      if (operatorId === undefined) throw operatorNotFound();
      const [{ id } = { id: '' }] = await insertRoleBindings(tx, { operatorId }, grants, by);
      await appendAuditEvent(tx, op, actOn('create', wanted, grants[0]?.groupId), clock.now());
      return { id, ...wanted, createdAt: by.createdAt.toISOString() };
    });
  } catch (error) {
    if (isUniqueViolation(error))
      throw new AppError('role_binding.exists', 'The operator holds this role there already.', {
        cause: error,
      });
    throw error;
  }
}

/** The bindings that the caller may see. */
export async function listVisibleRoleBindings(
  { db }: Platform,
  op: Operation,
  query: PageQuery,
): Promise<Page<RoleBinding>> {
  const visible = op.groupsWith('role-binding:read');
  const rows = await db.read((reader) => listRoleBindings(reader, query, visible));
  return pageOf(rows.map(shown), query.limit, ({ id }) => id);
}

/** Takes a role away, which only they may who could give it. */
export async function removeRoleBinding(
  { db, clock }: Platform,
  op: Operation,
  id: string,
): Promise<void> {
  await db.transaction(async (tx) => {
    const binding = await authorizedBinding(tx, op, id);
    op.authorizeGrant(binding);
    if (binding.role === 'owner' && binding.groupId === null)
      await refuseLastOwner(tx, binding.operatorId);
    // Another who takes it away at the same time was first.
    if (!(await deleteRoleBinding(tx, id))) throw bindingNotFound();
    await appendAuditEvent(tx, op, actOn('delete', binding, binding.groupId), clock.now());
  });
}

/** @throws AppError `operator.last_owner` when nobody else would be owner everywhere */
export async function refuseLastOwner(tx: Db, operatorId: string): Promise<void> {
  const owners = await lockOwners(tx);
  if (owners.includes(operatorId) && owners.every((owner) => owner === operatorId))
    throw new AppError(
      'operator.last_owner',
      'This is the last owner; make somebody else an owner first.',
    );
}

async function authorizedBinding(tx: Db, op: Operation, id: string): Promise<RoleBindingRow> {
  const binding = await findRoleBinding(tx, id);
  if (binding === undefined) throw op.absent('role-binding:delete', bindingNotFound);
  if (binding.groupId === null) op.authorize('role-binding:delete');
  else op.authorizeIn(binding.groupId, 'role-binding:delete', bindingNotFound);
  return binding;
}

function actOn(
  verb: 'create' | 'delete',
  { operator, role, group }: HeldRole & { operator: string },
  groupId: string | null | undefined,
) {
  return {
    action: `role-binding:${verb}`,
    subject: `operator:${operator}`,
    ...(groupId == null ? {} : { groupId }),
    outcome: 'done',
    details: { role, group },
  } as const;
}

function shown({ id, operator, role, group, createdAt }: RoleBindingRow): RoleBinding {
  return { id, operator, role, group, createdAt };
}

export function operatorNotFound(): AppError {
  return new AppError('operator.not_found', 'There is no such operator, or you may not see it.');
}

function bindingNotFound(): AppError {
  return new AppError(
    'role_binding.not_found',
    'There is no such role binding, or you may not see it.',
  );
}

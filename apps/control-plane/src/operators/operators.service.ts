import type { HeldRole, Operator, PageQuery } from '@sallyport/contract';
import { hashPassword } from '@sallyport/crypto/password';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import { isUniqueViolation, type Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import { pageOf, type Page } from '../platform/page-of.ts';
import type { Platform } from '../platform/platform.ts';
import {
  authorizedGrants,
  authorizeOver,
  heldRolesOf,
  insertRoleBindings,
  listHeldRoles,
  operatorNotFound,
  refuseLastOwner,
  rolesInWords,
  shownRole,
} from '../role-bindings/index.ts';
import { unlock } from './lockout.store.ts';
import {
  deleteOperator,
  findOperator,
  insertOperator,
  listOperators,
  updatePasswordHash,
  type OperatorRow,
} from './operators.store.ts';
import { deleteSessionsOf } from './sessions.store.ts';

/** Makes an operator with the roles that the caller may give. */
export async function createOperator(
  platform: Platform,
  op: Operation,
  wanted: { name: string; password: string; roles: HeldRole[] },
): Promise<Operator> {
  op.authorize('operator:create');
  const { name, roles } = wanted;
  const grants = await authorizedGrants(platform, op, 'role-binding:create', roles);
  const { db, clock, hashing, passwordPolicy } = platform;
  const passwordHash = await hashing.run(() => hashPassword(wanted.password, passwordPolicy));
  const row = { id: newId(), name, createdAt: new Date(clock.now()) };
  const by = { createdBy: op.actor.name, createdAt: row.createdAt };
  try {
    await db.transaction(async (tx) => {
      await insertOperator(tx, { ...row, passwordHash });
      await insertRoleBindings(tx, { operatorId: row.id }, grants, by);
      const details = { roles: rolesInWords(roles) };
      await appendAuditEvent(tx, op, { ...actOn('create', name), details }, clock.now());
    });
  } catch (error) {
    if (isUniqueViolation(error))
      throw new AppError(
        'operator.exists',
        'An operator of this name exists already; choose another name.',
        { cause: error },
      );
    throw error;
  }
  return { ...row, roles, createdAt: row.createdAt.toISOString() };
}

export async function getOperator(
  { db }: Platform,
  op: Operation,
  name: string,
): Promise<Operator> {
  op.authorize('operator:read');
  return db.read(async (reader) => {
    const row = await existingOperator(reader, name);
    return shown(row, (await heldRolesOf(reader, { operatorId: row.id })).map(shownRole));
  });
}

export async function listAllOperators(
  { db }: Platform,
  op: Operation,
  query: PageQuery,
): Promise<Page<Operator>> {
  op.authorize('operator:read');
  return db.read(async (reader) => {
    const rows = await listOperators(reader, query);
    const held = await listHeldRoles(reader, { operatorIds: rows.map(({ id }) => id) });
    const operators = rows.map((row) => shown(row, (held.get(row.id) ?? []).map(shownRole)));
    return pageOf(operators, query.limit, ({ name }) => name);
  });
}

/** Deletes an operator and ends its sessions. What it made, API keys too, stays. */
export async function removeOperator(
  { db, clock }: Platform,
  op: Operation,
  name: string,
): Promise<void> {
  op.authorize('operator:delete');
  await db.transaction(async (tx) => {
    const { id } = await existingOperator(tx, name);
    await authorizeOver(tx, op, { operatorId: id });
    await refuseLastOwner(tx, id);
    if (!(await deleteOperator(tx, id))) throw operatorNotFound();
    await appendAuditEvent(tx, op, actOn('delete', name), clock.now());
  });
}

/** Gives an operator a new password and ends its sessions. */
export async function resetPassword(
  platform: Platform,
  op: Operation,
  name: string,
  password: string,
): Promise<void> {
  op.authorize('operator:reset-password');
  const { db, clock, hashing, passwordPolicy } = platform;
  const { id } = await db.read((reader) => existingOperator(reader, name));
  await db.read((reader) => authorizeOver(reader, op, { operatorId: id }));
  const passwordHash = await hashing.run(() => hashPassword(password, passwordPolicy));
  await db.transaction(async (tx) => {
    // Looked at again: it may have been given more, or deleted, since.
    await authorizeOver(tx, op, { operatorId: (await existingOperator(tx, name)).id });
    // What was guessed was the old one, and its owner must not wait for whoever guessed.
    await unlock(tx, name, new Date(clock.now()));
    if (!(await updatePasswordHash(tx, id, passwordHash))) throw operatorNotFound();
    await deleteSessionsOf(tx, id);
    await appendAuditEvent(tx, op, actOn('reset-password', name), clock.now());
  });
}

/** @throws AppError `operator.not_found` */
export async function existingOperator(db: Db, name: string): Promise<OperatorRow> {
  const row = await findOperator(db, name);
  if (row === undefined) throw operatorNotFound();
  return row;
}

function actOn(verb: 'create' | 'delete' | 'reset-password', name: string) {
  return { action: `operator:${verb}`, subject: `operator:${name}`, outcome: 'done' } as const;
}

/** A role for the audit: `viewer in plant-7`. */
function shown(row: { id: string; name: string; createdAt: Date }, roles: HeldRole[]): Operator {
  return { id: row.id, name: row.name, roles, createdAt: row.createdAt.toISOString() };
}

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
  insertRoleBindings,
  listHeldRoles,
  operatorNotFound,
  refuseLastOwner,
  rolesInWords,
  shownRole,
} from '../role-bindings/index.ts';
import { listLocks, unlock } from './lockout.store.ts';
import {
  deleteOperator,
  findOperator,
  insertOperator,
  listOperators,
  updatePasswordHash,
  type OperatorRow,
} from './operators.store.ts';
import { deleteSessionsOf } from './sessions.store.ts';
import { listConfirmed } from './totp.store.ts';

type Row = Omit<OperatorRow, 'passwordHash'>;

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
    return await db.transaction(async (tx) => {
      await insertOperator(tx, { ...row, passwordHash });
      await insertRoleBindings(tx, { operatorId: row.id }, grants, by);
      const details = { roles: rolesInWords(roles) };
      await appendAuditEvent(tx, op, { ...actOn('create', name), details }, clock.now());
      return shownOperator(tx, row, clock.now());
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
}

export async function getOperator(
  { db, clock }: Platform,
  op: Operation,
  name: string,
): Promise<Operator> {
  op.authorize('operator:read');
  return db.read(async (reader) => {
    return shownOperator(reader, await existingOperator(reader, name), clock.now());
  });
}

export async function listAllOperators(
  { db, clock }: Platform,
  op: Operation,
  query: PageQuery,
): Promise<Page<Operator>> {
  op.authorize('operator:read');
  return db.read(async (reader) => {
    const rows = await listOperators(reader, query);
    const operators = await shownOperators(reader, rows, clock.now());
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

/** Gives an operator a new password and ends its sessions. @throws AppError `operator.not_found` */
export async function resetPassword(
  platform: Platform,
  op: Operation,
  name: string,
  password: string,
): Promise<void> {
  op.authorize('operator:reset-password');
  const { db, clock, hashing, passwordPolicy } = platform;
  const authorized = async (reader: Db) => {
    const { id } = await existingOperator(reader, name);
    await authorizeOver(reader, op, { operatorId: id });
    return id;
  };
  await db.read(authorized);
  const passwordHash = await hashing.run(() => hashPassword(password, passwordPolicy));
  await db.transaction(async (tx) => {
    // Looked at again: it may have been given more, or deleted and made anew, since.
    const id = await authorized(tx);
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

/** Operators, with their roles and what stands between them and a session. */
async function shownOperators(db: Db, rows: readonly Row[], nowMs: number): Promise<Operator[]> {
  const operatorIds = rows.map(({ id }) => id);
  const names = rows.map(({ name }) => name);
  const held = await listHeldRoles(db, { operatorIds });
  const withSecondFactor = await listConfirmed(db, operatorIds);
  const locks = await listLocks(db, names, new Date(nowMs));
  return rows.map(({ id, name, createdAt }) => ({
    id,
    name,
    roles: (held.get(id) ?? []).map(shownRole),
    secondFactor: withSecondFactor.has(id),
    lockedUntil: locks.get(name)?.toISOString() ?? null,
    createdAt: createdAt.toISOString(),
  }));
}

async function shownOperator(db: Db, row: Row, nowMs: number): Promise<Operator> {
  const [shown] = await shownOperators(db, [row], nowMs);
  if (shown === undefined) throw operatorNotFound();
  return shown;
}

import { hashPassword, verifyPassword } from '@sallyport/crypto/password';
import { formatToken, mintToken } from '@sallyport/crypto/token';
import { hashTokenSecret } from '@sallyport/crypto/token-hash';
import { appendAuditEvent } from '../audit/index.ts';
import { Operation } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import { newId } from '../platform/new-id.ts';
import type { Platform } from '../platform/platform.ts';
import { heldRolesOf, type NamedGrant } from '../role-bindings/index.ts';
import { clearFailures, countFailure, findLock } from './lockout.store.ts';
import {
  findOperator,
  holdPassword,
  insertSession,
  renewPasswordHash,
  type OperatorRow,
} from './operators.store.ts';

export const SESSION_TTL_SECONDS = 12 * 60 * 60;
/** After this many failures in a row a name is locked, and again after as many more. */
export const FAILURES_BEFORE_LOCK = 5;
export const LOCK_SECONDS = 15 * 60;

export type NewSession = {
  token: string;
  expiresAt: Date;
  operator: OperatorRow;
  roles: readonly NamedGrant[];
};

/**
 * Signs an operator in. An unknown name costs as much time, fails with the same words and locks like a
 * known one.
 *
 * @throws AppError `credentials.wrong`, `operator.locked` with the seconds left, `hashing.busy`
 */
export async function signIn(
  platform: Platform,
  op: Operation,
  name: string,
  password: string,
): Promise<NewSession> {
  await refuseWhileLocked(platform, name);
  const operator = await platform.passwordHashing.run(() => identify(platform, op, name, password));
  return openSession(platform, op, operator);
}

async function refuseWhileLocked({ db, clock }: Platform, name: string): Promise<void> {
  const now = new Date(clock.now());
  const lockedUntil = await db.read((reader) => findLock(reader, name, now));
  if (lockedUntil !== undefined) throw locked(lockedUntil, now);
}

/**
 * One guess, in its turn: those that waited with it may have locked the name by now, and what comes of this
 * one is recorded before the next begins.
 */
async function identify(
  platform: Platform,
  op: Operation,
  name: string,
  password: string,
): Promise<OperatorRow> {
  const { db } = platform;
  await refuseWhileLocked(platform, name);
  const operator = await db.read((reader) => findOperator(reader, name));
  const checked = await verifyPassword(password, operator?.passwordHash ?? (await hashOfNobody()));
  if (operator === undefined || !checked.valid) throw await recordFailure(platform, op, name);
  if (!checked.outdated) return operator;
  const passwordHash = await hashPassword(password);
  const renewed = await db.read((writer) => renewPasswordHash(writer, operator, passwordHash));
  // Otherwise the password was reset meanwhile, or another replica has renewed its hash: only a look tells.
  return renewed ? { ...operator, passwordHash } : identify(platform, op, name, password);
}

async function openSession(
  platform: Platform,
  op: Operation,
  operator: OperatorRow,
): Promise<NewSession> {
  const { db, clock, hashing } = platform;
  const token = mintToken('session', newId());
  const secretHash = await hashing.run(() => hashTokenSecret(token.secret));
  const createdAt = new Date(clock.now());
  const expiresAt = new Date(clock.now() + SESSION_TTL_SECONDS * 1000);
  const roles = await db.transaction(async (tx) => {
    // Another replica may have locked the name since the password was checked. Looked at last: clearing
    // waits for whoever writes the row, and the look sees what they wrote.
    await clearFailures(tx, operator.name, createdAt);
    const lockedUntil = await findLock(tx, operator.name, createdAt);
    if (lockedUntil !== undefined) throw locked(lockedUntil, createdAt);
    // The password may have been reset since it was checked, and its reset has ended the sessions that it found.
    if (!(await holdPassword(tx, operator))) throw wrongCredentials();
    await insertSession(tx, {
      id: token.id,
      operatorId: operator.id,
      secretHash,
      createdAt,
      expiresAt,
    });
    const { id, name } = operator;
    const grants = await heldRolesOf(tx, { operatorId: id });
    const actor = { kind: 'operator', id, name, grants, expiresAt } as const;
    const signedIn = new Operation(actor, op.requestId, op.address);
    const act = {
      action: 'session:create',
      subject: `operator:${operator.name}`,
      outcome: 'done',
    } as const;
    await appendAuditEvent(tx, signedIn, act, clock.now());
    return grants;
  });
  return { token: formatToken(token), expiresAt, operator, roles };
}

async function recordFailure(
  { db, clock }: Platform,
  op: Operation,
  name: string,
): Promise<AppError> {
  const now = new Date(clock.now());
  const until = new Date(clock.now() + LOCK_SECONDS * 1000);
  const lockedUntil = await db.transaction(async (tx) => {
    const counted = await countFailure(tx, name, now, { limit: FAILURES_BEFORE_LOCK, until });
    const lock = await findLock(tx, name, now);
    // A guess at a name that another replica has locked meanwhile is refused like any other while it is.
    if (!counted) return lock;
    const act = {
      action: 'session:create',
      subject: `operator:${name}`,
      outcome: 'refused',
      details: { locked: lock !== undefined },
    } as const;
    await appendAuditEvent(tx, op, act, clock.now());
    return lock;
  });
  if (lockedUntil !== undefined) return locked(lockedUntil, now);
  return wrongCredentials();
}

function wrongCredentials(): AppError {
  return new AppError('credentials.wrong', 'The name or the password is wrong.');
}

function locked(until: Date, now: Date): AppError {
  const retryAfterSeconds = Math.ceil((until.getTime() - now.getTime()) / 1000);
  return new AppError(
    'operator.locked',
    `Too many failed sign-ins; try again in ${Math.ceil(retryAfterSeconds / 60)} minutes.`,
    {
      retryAfterSeconds,
    },
  );
}

let nobody: Promise<string> | undefined;

/** What an unknown name's password is checked against. */
async function hashOfNobody(): Promise<string> {
  nobody ??= hashPassword(newId()).catch((error: unknown) => {
    nobody = undefined;
    throw error;
  });
  return nobody;
}

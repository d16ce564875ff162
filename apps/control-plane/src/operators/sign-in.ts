import { hashPassword, verifyPassword } from '@sallyport/crypto/password';
import { formatToken, mintToken } from '@sallyport/crypto/token';
import { hashTokenSecret } from '@sallyport/crypto/token-hash';
import { appendAuditEvent } from '../audit/index.ts';
import { Operation } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import { newId } from '../platform/new-id.ts';
import type { Platform } from '../platform/platform.ts';
import { clearFailures, countFailure, findLock } from './lockout.store.ts';
import {
  findOperator,
  insertSession,
  updatePasswordHash,
  type OperatorRow,
} from './operators.store.ts';

export const SESSION_TTL_SECONDS = 12 * 60 * 60;
/** After this many failures in a row a name is locked, and again after as many more. */
export const FAILURES_BEFORE_LOCK = 5;
export const LOCK_SECONDS = 15 * 60;

export type NewSession = { token: string; expiresAt: Date; operator: OperatorRow };

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
  const { db, clock, passwordHashing } = platform;
  const now = new Date(clock.now());
  const lockedUntil = await db.read((reader) => findLock(reader, name, now));
  if (lockedUntil !== undefined) throw locked(lockedUntil, now);

  const operator = await db.read((reader) => findOperator(reader, name));
  const checked = await passwordHashing.run(async () =>
    verifyPassword(password, operator?.passwordHash ?? (await hashOfNobody())),
  );
  if (operator === undefined || !checked.valid) throw await recordFailure(platform, op, name);
  if (checked.outdated) {
    const passwordHash = await passwordHashing.run(() => hashPassword(password));
    await db.read((writer) => updatePasswordHash(writer, operator.id, passwordHash));
  }
  return openSession(platform, op, operator);
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
  await db.transaction(async (tx) => {
    await insertSession(tx, {
      id: token.id,
      operatorId: operator.id,
      secretHash,
      createdAt,
      expiresAt,
    });
    await clearFailures(tx, operator.name);
    const signedIn = new Operation({ ...operator, kind: 'operator' }, op.requestId, op.address);
    const act = {
      action: 'session:create',
      subject: `operator:${operator.name}`,
      outcome: 'done',
    } as const;
    await appendAuditEvent(tx, signedIn, act, clock.now());
  });
  return { token: formatToken(token), expiresAt, operator };
}

async function recordFailure(
  { db, clock }: Platform,
  op: Operation,
  name: string,
): Promise<AppError> {
  const now = new Date(clock.now());
  const until = new Date(clock.now() + LOCK_SECONDS * 1000);
  const isLocked = await db.transaction(async (tx) => {
    const reached = await countFailure(tx, name, now, { limit: FAILURES_BEFORE_LOCK, until });
    const details = { locked: reached };
    const act = {
      action: 'session:create',
      subject: `operator:${name}`,
      outcome: 'refused',
      details,
    } as const;
    await appendAuditEvent(tx, op, act, clock.now());
    return reached;
  });
  if (isLocked) return locked(until, now);
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
  nobody ??= hashPassword(newId());
  return nobody;
}

import { counted } from '@sallyport/contract';
import { appendAuditEvent, type AuditAction } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import { countFailure, findLock } from './lockout.store.ts';

/** After this many failures in a row a name is locked, and again after as many more. */
export const FAILURES_BEFORE_LOCK = 5;
export const LOCK_SECONDS = 15 * 60;

/** An act that asks for credentials, as the audit names it. */
export type Attempt = { op: Operation; action: AuditAction };

/** @throws AppError `operator.locked` with the seconds left */
export async function refuseWhileLocked({ db, clock }: Platform, name: string): Promise<void> {
  const now = new Date(clock.now());
  const lockedUntil = await db.read((reader) => findLock(reader, name, now));
  if (lockedUntil !== undefined) throw locked(lockedUntil, now);
}

/** Counts a failure and audits it; what comes back is to be thrown. */
export async function recordFailure(
  { db, clock }: Platform,
  { op, action }: Attempt,
  name: string,
  failure: AppError,
): Promise<AppError> {
  const now = new Date(clock.now());
  const until = new Date(clock.now() + LOCK_SECONDS * 1000);
  const lockedUntil = await db.transaction(async (tx) => {
    const counted = await countFailure(tx, name, now, { limit: FAILURES_BEFORE_LOCK, until });
    const lock = await findLock(tx, name, now);
    // A guess at a name that another replica has locked meanwhile is refused like any other while it is.
    if (!counted) return lock;
    const { code, privateDetail } = failure;
    const details = {
      code,
      locked: lock !== undefined,
      ...(privateDetail === undefined ? {} : { passwordReset: 'needed' }),
    };
    const act = { action, subject: `operator:${name}`, outcome: 'refused', details } as const;
    await appendAuditEvent(tx, op, act, clock.now());
    return lock;
  });
  return lockedUntil === undefined ? failure : locked(lockedUntil, now);
}

/** `reason` is for the log alone. */
export function wrongCredentials(reason?: string): AppError {
  return new AppError(
    'credentials.wrong',
    'The name or the password is wrong.',
    reason === undefined ? {} : { privateDetail: reason },
  );
}

export function codeRequired(): AppError {
  return new AppError('totp.required', 'Send the code of your authenticator app too.');
}

export function wrongCode(): AppError {
  return new AppError('totp.wrong', 'The code is wrong, or was used already; take the next one.');
}

export function locked(until: Date, now: Date): AppError {
  const retryAfterSeconds = Math.ceil((until.getTime() - now.getTime()) / 1000);
  return new AppError(
    'operator.locked',
    `Too many failed sign-ins; try again in ${counted(Math.ceil(retryAfterSeconds / 60), 'minute')}.`,
    { retryAfterSeconds },
  );
}

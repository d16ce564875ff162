import { formatToken, mintToken } from '@sallyport/crypto/token';
import { hashTokenSecret } from '@sallyport/crypto/token-hash';
import { appendAuditEvent } from '../audit/index.ts';
import { Operation } from '../authorization/index.ts';
import type { Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import type { Platform } from '../platform/platform.ts';
import { heldRolesOf, type NamedGrant } from '../role-bindings/index.ts';
import { checkCredentials, type Credentials, type Identified } from './check-credentials.ts';
import { clearFailures, findLock } from './lockout.store.ts';
import { holdPassword, type OperatorRow } from './operators.store.ts';
import { insertSession } from './sessions.store.ts';
import { codeRequired, locked, wrongCode, wrongCredentials } from './sign-in-failures.ts';
import type { SignInLimits } from './sign-in-limits.ts';
import { findTotp, takeStep } from './totp.store.ts';

/** How long sessions last, and how long one that is not used. */
export type SessionPolicy = { maxHours: number; idleMinutes: number };

export type NewSession = {
  token: string;
  expiresAt: Date;
  operator: OperatorRow;
  roles: readonly NamedGrant[];
};

/**
 * Signs an operator in.
 *
 * @throws AppError those of `checkCredentials`; `rate.limited` for an address or a name that failed too often
 */
export async function signIn(
  platform: Platform,
  { policy, limits }: { policy: SessionPolicy; limits: SignInLimits },
  op: Operation,
  credentials: Credentials,
): Promise<NewSession> {
  return limits.countFailures(op.address, credentials.name, async () => {
    const attempt = { op, action: 'session:create' } as const;
    const identified = await checkCredentials(platform, attempt, credentials);
    return openSession(platform, policy, op, identified);
  });
}

async function openSession(
  platform: Platform,
  policy: SessionPolicy,
  op: Operation,
  { operator, totpStep }: Identified,
): Promise<NewSession> {
  const { db, clock, hashing, tokenIterations } = platform;
  const token = mintToken('session', newId());
  const secretHash = await hashing.run(() => hashTokenSecret(token.secret, tokenIterations));
  const createdAt = new Date(clock.now());
  const expiresAt = new Date(clock.now() + policy.maxHours * 3_600_000);
  const roles = await db.transaction(async (tx) => {
    // Another replica may have locked the name since the password was checked. Looked at last: clearing
    // waits for whoever writes the row, and the look sees what they wrote.
    await clearFailures(tx, operator.name, createdAt);
    const lockedUntil = await findLock(tx, operator.name, createdAt);
    if (lockedUntil !== undefined) throw locked(lockedUntil, createdAt);
    // The password may have been reset since it was checked, and its reset has ended the sessions that it found.
    if (!(await holdPassword(tx, operator))) throw wrongCredentials();
    await takeSecondFactor(tx, operator.id, totpStep);
    await insertSession(tx, {
      id: token.id,
      operatorId: operator.id,
      secretHash,
      address: op.address,
      createdAt,
      expiresAt,
      lastUsedAt: createdAt,
    });
    const { id, name } = operator;
    const grants = await heldRolesOf(tx, { operatorId: id });
    const actor = { kind: 'operator', id, name, grants, expiresAt } as const;
    const signedIn = new Operation(actor, op.requestId, op.address);
    const act = {
      action: 'session:create',
      subject: `operator:${operator.name}`,
      outcome: 'done',
      details: { secondFactor: totpStep !== undefined },
    } as const;
    await appendAuditEvent(tx, signedIn, act, clock.now());
    return grants;
  });
  return { token: formatToken(token), expiresAt, operator, roles };
}

/** Of requests in parallel that bear the same code, one comes past; of those without, none where one is asked for by now. */
async function takeSecondFactor(
  tx: Db,
  operatorId: string,
  step: number | undefined,
): Promise<void> {
  if (step === undefined) {
    if ((await findTotp(tx, operatorId))?.confirmedAt != null) throw codeRequired();
  } else if (!(await takeStep(tx, operatorId, step))) throw wrongCode();
}

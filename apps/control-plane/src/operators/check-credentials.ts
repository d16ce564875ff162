import { CryptoError } from '@sallyport/crypto/crypto-error';
import { hashPassword, verifyPassword, type PasswordPolicy } from '@sallyport/crypto/password';
import { matchTotp } from '@sallyport/crypto/totp';
import type { BoundedPool } from '../platform/bounded-pool.ts';
import { newId } from '../platform/new-id.ts';
import type { Platform } from '../platform/platform.ts';
import { findOperator, renewPasswordHash, type OperatorRow } from './operators.store.ts';
import {
  codeRequired,
  recordFailure,
  refuseWhileLocked,
  wrongCode,
  wrongCredentials,
  type Attempt,
} from './sign-in-failures.ts';
import { openTotpSecret } from './totp-secret.ts';
import { findTotp } from './totp.store.ts';

/** What an operator shows; `totp` is the code of its second factor, if it has one. */
export type Credentials = { name: string; password: string; totp?: string | undefined };

/** Who showed the right credentials; `totpStep` is to be taken, so that no other request can use its code. */
export type Identified = { operator: OperatorRow; totpStep?: number };

/**
 * Tells whose the credentials are. An unknown name costs as much time, fails with the same words and locks
 * like a known one. Of a second factor only who knows the password is told.
 *
 * @throws AppError `credentials.wrong`, `totp.required`, `totp.wrong`, `operator.locked` with the seconds
 * left, `hashing.busy`
 */
export async function checkCredentials(
  platform: Platform,
  attempt: Attempt,
  credentials: Credentials,
): Promise<Identified> {
  await refuseWhileLocked(platform, credentials.name);
  return poolOf(platform, attempt).run(async () => {
    const operator = await identify(platform, attempt, credentials);
    return withSecondFactor(platform, attempt, credentials, operator);
  });
}

/** The same of the password alone, for who is signed in. @throws AppError those of `checkCredentials` */
export async function checkPassword(
  platform: Platform,
  attempt: Attempt,
  credentials: { name: string; password: string },
): Promise<OperatorRow> {
  await refuseWhileLocked(platform, credentials.name);
  return poolOf(platform, attempt).run(() => identify(platform, attempt, credentials));
}

/** A flood of sign-ins must not hold up who is signed in. */
function poolOf({ hashing, passwordHashing }: Platform, { op }: Attempt): BoundedPool {
  return op.actor.kind === 'operator' ? hashing : passwordHashing;
}

/**
 * One guess, in its turn: those that waited with it may have locked the name by now, and what comes of this
 * one is recorded before the next begins.
 */
async function identify(
  platform: Platform,
  attempt: Attempt,
  credentials: { name: string; password: string },
): Promise<OperatorRow> {
  const { db, passwordPolicy } = platform;
  const { name, password } = credentials;
  await refuseWhileLocked(platform, name);
  // Before it is known whether it is needed: the first one is made, which takes time that would tell.
  const decoy = await hashOfNobody(passwordPolicy);
  const operator = await db.read((reader) => findOperator(reader, name));
  const hash = operator?.passwordHash ?? decoy;
  const checked = await verify(password, hash, passwordPolicy);
  if (operator === undefined || !checked.valid)
    throw await recordFailure(platform, attempt, name, wrongCredentials(checked.reason));
  if (!checked.outdated) return operator;
  const passwordHash = await hashPassword(password, passwordPolicy);
  const renewed = await db.write((writer) => renewPasswordHash(writer, operator, passwordHash));
  // Otherwise the password was reset meanwhile, or another replica has renewed its hash: only a look tells.
  return renewed ? { ...operator, passwordHash } : identify(platform, attempt, credentials);
}

async function withSecondFactor(
  platform: Platform,
  attempt: Attempt,
  { totp: code }: Credentials,
  operator: OperatorRow,
): Promise<Identified> {
  const { db, clock } = platform;
  const totp = await db.read((reader) => findTotp(reader, operator.id));
  if (totp === undefined || totp.confirmedAt === null) return { operator };
  if (code === undefined) throw codeRequired();
  const secret = openTotpSecret(platform, totp);
  const totpStep = matchTotp(secret, code, { nowMs: clock.now(), lastStep: totp.lastStep });
  secret.fill(0);
  if (totpStep === undefined)
    throw await recordFailure(platform, attempt, operator.name, wrongCode());
  return { operator, totpStep };
}

type Verified = { valid: boolean; outdated: boolean; reason?: string };

/** A hash that may not be run here costs as much time as one that may, and is not told apart in public. */
async function verify(password: string, hash: string, policy: PasswordPolicy): Promise<Verified> {
  try {
    return await verifyPassword(password, hash, policy);
  } catch (error) {
    if (!(error instanceof CryptoError) || error.code !== 'hash.not_permitted') throw error;
    await verifyPassword(password, await hashOfNobody(policy), policy);
    return { valid: false, outdated: false, reason: error.message };
  }
}

const nobody = new Map<string, Promise<string>>();

/** What an unknown name's password is checked against. */
async function hashOfNobody(policy: PasswordPolicy): Promise<string> {
  const made =
    nobody.get(policy.scheme) ??
    hashPassword(newId(), policy).catch((error: unknown) => {
      nobody.delete(policy.scheme);
      throw error;
    });
  nobody.set(policy.scheme, made);
  return made;
}

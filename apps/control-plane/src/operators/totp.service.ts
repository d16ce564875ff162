import { describeTotp, generateTotpSecret, matchTotp } from '@sallyport/crypto/totp';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import { authorizeOver } from '../role-bindings/index.ts';
import { checkCredentials, checkPassword } from './check-credentials.ts';
import { existingOperator } from './operators.service.ts';
import { holdPassword, lockOperator } from './operators.store.ts';
import { deleteSessionsOf } from './sessions.store.ts';
import type { OperatorSession } from './sessions.ts';
import { wrongCode, wrongCredentials } from './sign-in-failures.ts';
import { openTotpSecret, sealTotpSecret } from './totp-secret.ts';
import { confirmTotp, deleteTotp, findTotp, putUnconfirmedTotp, takeStep } from './totp.store.ts';

/**
 * Gives the operator a new second factor, which counts once a code of it was shown. Asks for the password, so
 * that a session that was left open cannot be used to lock its operator out.
 *
 * @throws AppError `totp.exists`, `credentials.wrong`, `operator.locked`, `hashing.busy`
 */
export async function startTotp(
  platform: Platform,
  op: OperatorSession,
  password: string,
): Promise<{ secret: string; uri: string }> {
  op.authorize('totp:create');
  const { db, clock } = platform;
  const { id: operatorId, name } = op.operator;
  const attempt = { op, action: 'totp:create' } as const;
  const operator = await checkPassword(platform, attempt, { name, password });
  const secret = generateTotpSecret();
  await db.transaction(async (tx) => {
    if (!(await holdPassword(tx, operator))) throw wrongCredentials();
    const sealedSecret = await sealTotpSecret(tx, platform, operatorId, secret);
    const row = { operatorId, sealedSecret, createdAt: new Date(clock.now()) };
    if (!(await putUnconfirmedTotp(tx, row))) throw totpExists();
    await appendAuditEvent(tx, op, ofTotp('create', name), clock.now());
  });
  const told = describeTotp(secret, { issuer: 'Sallyport', account: name });
  secret.fill(0);
  return told;
}

/**
 * Makes the second factor count, and ends the operator's other sessions, which were opened without it.
 *
 * @throws AppError `totp.not_found`, `totp.exists`, `totp.wrong`
 */
export async function confirmOwnTotp(
  platform: Platform,
  op: OperatorSession,
  code: string,
): Promise<void> {
  op.authorize('totp:confirm');
  const { db, clock } = platform;
  const { id, name } = op.operator;
  await db.transaction(async (tx) => {
    // Another confirmation, or a new secret, comes before or after; a sign-in that found no second factor opens its
    // session before, or not at all.
    await lockOperator(tx, id);
    const totp = await findTotp(tx, id);
    if (totp === undefined) throw totpNotFound();
    if (totp.confirmedAt !== null) throw totpExists();
    const secret = openTotpSecret(platform, totp);
    const step = matchTotp(secret, code, { nowMs: clock.now(), lastStep: 0 });
    secret.fill(0);
    if (step === undefined) throw wrongCode();
    if (!(await confirmTotp(tx, id, step, new Date(clock.now())))) throw totpNotFound();
    await deleteSessionsOf(tx, id, op.sessionId);
    await appendAuditEvent(tx, op, ofTotp('confirm', name), clock.now());
  });
}

/** Removes one's own second factor. @throws AppError `totp.not_found`, and those of `checkCredentials` */
export async function removeOwnTotp(
  platform: Platform,
  op: OperatorSession,
  shown: { password: string; code: string },
): Promise<void> {
  op.authorize('totp:delete');
  const { db, clock } = platform;
  const { name } = op.operator;
  const { operator, totpStep } = await checkCredentials(
    platform,
    { op, action: 'totp:delete' },
    { name, password: shown.password, totp: shown.code },
  );
  if (totpStep === undefined) throw totpNotFound();
  await db.transaction(async (tx) => {
    if (!(await holdPassword(tx, operator))) throw wrongCredentials();
    if (!(await takeStep(tx, operator.id, totpStep))) throw wrongCode();
    await deleteTotp(tx, operator.id);
    await appendAuditEvent(tx, op, ofTotp('delete', name), clock.now());
  });
}

/** Removes another's second factor, whose app is lost, and ends its sessions. @throws AppError `totp.not_found` */
export async function resetTotp(
  { db, clock }: Platform,
  op: Operation,
  name: string,
): Promise<void> {
  op.authorize('operator:reset-totp');
  await db.transaction(async (tx) => {
    const { id } = await existingOperator(tx, name);
    await authorizeOver(tx, op, { operatorId: id });
    if (!(await deleteTotp(tx, id))) throw totpNotFound();
    await deleteSessionsOf(tx, id);
    const act = { ...ofTotp('delete', name), action: 'operator:reset-totp' } as const;
    await appendAuditEvent(tx, op, act, clock.now());
  });
}

function ofTotp(verb: 'create' | 'confirm' | 'delete', name: string) {
  return { action: `totp:${verb}`, subject: `operator:${name}`, outcome: 'done' } as const;
}

function totpNotFound(): AppError {
  return new AppError('totp.not_found', 'There is no second factor.');
}

function totpExists(): AppError {
  return new AppError('totp.exists', 'There is a second factor already; remove it first.');
}

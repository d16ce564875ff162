import { hashPassword } from '@sallyport/crypto/password';
import { appendAuditEvent } from '../audit/index.ts';
import type { Platform } from '../platform/platform.ts';
import { checkPassword } from './check-credentials.ts';
import { renewPasswordHash } from './operators.store.ts';
import { deleteSessionsOf } from './sessions.store.ts';
import type { OperatorSession } from './sessions.ts';
import { wrongCredentials } from './sign-in-failures.ts';

/**
 * Gives the operator a new password, and ends its other sessions. A wrong current one counts like a failed
 * sign-in, so that a session that was left open cannot be used to guess it. A right one clears no failures,
 * lest who has the session and the password guess codes of the second factor without end.
 *
 * @throws AppError `credentials.wrong`, `operator.locked`, `hashing.busy`
 */
export async function changePassword(
  platform: Platform,
  op: OperatorSession,
  passwords: { current: string; new: string },
): Promise<void> {
  op.authorize('principal:change-password');
  const { db, clock, hashing, passwordPolicy } = platform;
  const { id, name } = op.operator;
  const attempt = { op, action: 'principal:change-password' } as const;
  const operator = await checkPassword(platform, attempt, { name, password: passwords.current });
  const passwordHash = await hashing.run(() => hashPassword(passwords.new, passwordPolicy));
  await db.transaction(async (tx) => {
    if (!(await renewPasswordHash(tx, operator, passwordHash))) throw wrongCredentials();
    const sessions = await deleteSessionsOf(tx, id, op.sessionId);
    const act = {
      action: 'principal:change-password',
      subject: `operator:${name}`,
      outcome: 'done',
      details: { sessions },
    } as const;
    await appendAuditEvent(tx, op, act, clock.now());
  });
}

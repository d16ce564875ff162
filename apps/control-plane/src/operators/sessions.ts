import type { Role } from '@sallyport/contract';
import { CryptoError } from '@sallyport/crypto/crypto-error';
import { parseToken, type Token } from '@sallyport/crypto/token';
import { appendAuditEvent } from '../audit/index.ts';
import { Operation } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import { TokenChecks } from '../platform/token-checks.ts';
import { deleteSession, findSession } from './operators.store.ts';

/** The act of a signed-in operator. */
export class OperatorSession extends Operation {
  readonly sessionId: string;
  readonly operator: { id: string; name: string; role: Role };

  constructor(
    sessionId: string,
    operator: { id: string; name: string; role: Role },
    requestId: string,
    address: string,
  ) {
    super({ kind: 'operator', ...operator }, requestId, address);
    this.sessionId = sessionId;
    this.operator = operator;
  }
}

/**
 * Tells whose a session token is. The row is read every time, so a deleted session is refused at once on
 * every replica; only that the token matched its hash is remembered.
 */
export class SessionAuthenticator {
  readonly #platform: Platform;
  readonly #tokens: TokenChecks;

  constructor(platform: Platform) {
    this.#platform = platform;
    this.#tokens = new TokenChecks(platform.clock, platform.hashing);
  }

  /** @throws AppError `session.required`, `session.invalid`, `hashing.busy` */
  async authenticate(
    authorization: string | undefined,
    requestId: string,
    address: string,
  ): Promise<OperatorSession> {
    const token = bearerToken(authorization);
    const session = await this.#platform.db.read((reader) => findSession(reader, token.id));
    const alive = session !== undefined && session.expiresAt.getTime() > this.#platform.clock.now();
    if (!alive || !(await this.#tokens.matches(token, session.secretHash))) {
      throw new AppError('session.invalid', 'The session has ended or is unknown; sign in again.');
    }
    const { id, name, role } = session.operator;
    return new OperatorSession(session.id, { id, name, role }, requestId, address);
  }
}

/** Ends the session of the request. */
export async function signOut({ db, clock }: Platform, op: OperatorSession): Promise<void> {
  op.authorize('session:delete');
  await db.transaction(async (tx) => {
    await deleteSession(tx, op.sessionId);
    const act = {
      action: 'session:delete',
      subject: `operator:${op.actor.name}`,
      outcome: 'done',
    } as const;
    await appendAuditEvent(tx, op, act, clock.now());
  });
}

function bearerToken(authorization: string | undefined): Token {
  const text = /^Bearer (\S{1,256})$/i.exec(authorization ?? '')?.[1];
  if (text === undefined)
    throw new AppError(
      'session.required',
      'Sign in first: send Authorization: Bearer with a session token.',
    );
  try {
    return parseToken(text, 'session');
  } catch (error) {
    if (error instanceof CryptoError)
      throw new AppError(
        'session.invalid',
        `The session token is not accepted: ${error.message}.`,
        { cause: error },
      );
    throw error;
  }
}

import { CryptoError } from '@sallyport/crypto/crypto-error';
import { parseToken, type Token } from '@sallyport/crypto/token';
import { appendAuditEvent } from '../audit/index.ts';
import { Operation, type Principal } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import { TokenChecks } from '../platform/token-checks.ts';
import { deleteSession, findSession } from './operators.store.ts';

/** The act of a signed-in operator. */
export class OperatorSession extends Operation {
  readonly sessionId: string;

  constructor(
    sessionId: string,
    operator: Omit<Principal, 'kind'>,
    requestId: string,
    address: string,
  ) {
    super({ ...operator, kind: 'operator' }, requestId, address);
    this.sessionId = sessionId;
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

  /** `text` is the token as it was shown. @throws AppError `session.invalid`, `hashing.busy` */
  async authenticate(text: string, requestId: string, address: string): Promise<OperatorSession> {
    const token = readToken(text);
    const session = await this.#platform.db.read((reader) => findSession(reader, token.id));
    const alive = session !== undefined && session.expiresAt.getTime() > this.#platform.clock.now();
    if (!alive || !(await this.#tokens.matches(token, session.secretHash))) {
      throw new AppError('session.invalid', 'The session has ended or is unknown; sign in again.');
    }
    const operator = { ...session.operator, expiresAt: session.expiresAt };
    return new OperatorSession(session.id, operator, requestId, address);
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

function readToken(text: string): Token {
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

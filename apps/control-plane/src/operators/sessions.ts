import type { PageQuery } from '@sallyport/contract';
import { appendAuditEvent } from '../audit/index.ts';
import { Operation, type Principal } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import { pageOf, type Page } from '../platform/page-of.ts';
import type { Platform } from '../platform/platform.ts';
import { readToken } from '../platform/read-token.ts';
import { TokenChecks } from '../platform/token-checks.ts';
import {
  deleteSession,
  deleteSessionsOf,
  findSession,
  listSessions,
  noteSessionUse,
  type Alive,
  type ListedSession,
} from './sessions.store.ts';
import type { SessionPolicy } from './sign-in.ts';

/** A session's last use is known to the minute. */
const USE_NOTED_MS = 60_000;

/** The act of a signed-in operator. */
export class OperatorSession extends Operation {
  readonly sessionId: string;
  readonly operator: { id: string; name: string };

  constructor(
    sessionId: string,
    operator: Omit<Principal, 'kind'>,
    requestId: string,
    address: string,
  ) {
    super({ ...operator, kind: 'operator' }, requestId, address);
    this.sessionId = sessionId;
    this.operator = { id: operator.id, name: operator.name };
  }
}

/**
 * Tells whose a session token is. The row is read every time, so a deleted session is refused at once on
 * every replica; only that the token matched its hash is remembered.
 */
export class SessionAuthenticator {
  readonly #platform: Platform;
  readonly #policy: SessionPolicy;
  readonly #tokens: TokenChecks;

  constructor(platform: Platform, policy: SessionPolicy) {
    this.#platform = platform;
    this.#policy = policy;
    this.#tokens = new TokenChecks(platform.clock, platform.hashing);
  }

  /** `text` is the token as it was shown. @throws AppError `session.invalid`, `hashing.busy` */
  async authenticate(text: string, requestId: string, address: string): Promise<OperatorSession> {
    const { db, clock } = this.#platform;
    const token = readToken(text, 'session');
    const session = await findSession(db, token.id);
    const { now, idleSince } = aliveAt(clock.now(), this.#policy);
    const alive =
      session !== undefined && session.expiresAt > now && session.lastUsedAt > idleSince;
    if (!alive || !(await this.#tokens.matches(token, session.secretHash))) {
      throw new AppError('session.invalid', 'The session has ended or is unknown; sign in again.');
    }
    const { id, lastUsedAt, expiresAt } = session;
    const noted = new Date(now.getTime() - USE_NOTED_MS);
    if (lastUsedAt <= noted) await db.write((writer) => noteSessionUse(writer, id, now, noted));
    return new OperatorSession(id, { ...session.operator, expiresAt }, requestId, address);
  }
}

/** What a session must be like to be alive. Use is noted by the minute, so idling begins as much later. */
function aliveAt(nowMs: number, { idleMinutes }: SessionPolicy): Alive {
  const idleMs = idleMinutes * 60_000 + USE_NOTED_MS;
  return { now: new Date(nowMs), idleSince: new Date(nowMs - idleMs) };
}

/** The caller's live sessions, newest first. */
export async function listOwnSessions(
  { db, clock }: Platform,
  policy: SessionPolicy,
  op: OperatorSession,
  query: PageQuery,
): Promise<Page<ListedSession>> {
  op.authorize('session:read');
  const alive = aliveAt(clock.now(), policy);
  const rows = await db.read((reader) => listSessions(reader, op.operator.id, alive, query));
  return pageOf(rows, query.limit, ({ id }) => id);
}

/** Ends one of the caller's sessions; every replica refuses it at once. @throws AppError `session.not_found` */
export async function endSession(
  { db, clock }: Platform,
  op: OperatorSession,
  id: string,
): Promise<void> {
  op.authorize('session:delete');
  await db.transaction(async (tx) => {
    if (!(await deleteSession(tx, op.operator.id, id)))
      throw new AppError('session.not_found', 'You have no such session.');
    await appendAuditEvent(tx, op, ended(op), clock.now());
  });
}

/** Ends every session of the caller, this one too. */
export async function endAllSessions({ db, clock }: Platform, op: OperatorSession): Promise<void> {
  op.authorize('session:delete');
  await db.transaction(async (tx) => {
    const sessions = await deleteSessionsOf(tx, op.operator.id);
    await appendAuditEvent(tx, op, { ...ended(op), details: { sessions } }, clock.now());
  });
}

function ended({ operator }: OperatorSession) {
  return {
    action: 'session:delete',
    subject: `operator:${operator.name}`,
    outcome: 'done',
  } as const;
}

import { RefusedUses } from '../audit/index.ts';
import { Operation } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import { readToken } from '../platform/read-token.ts';
import { TokenChecks } from '../platform/token-checks.ts';
import { findKeyCaller, noteUse, type KeyCaller } from './api-keys.store.ts';

/** A key's last use is known to the minute. */
const USE_NOTED_MS = 60_000;

/**
 * Tells whose an API key is. The row is read every time, so a revoked key is refused at once on every
 * replica; only that the key matched its hash is remembered.
 */
export class ApiKeyAuthenticator {
  readonly #platform: Platform;
  readonly #tokens: TokenChecks;
  /** Why an ended key is refused is a courtesy, for which no key that is good must wait. */
  readonly #endedTokens: TokenChecks;
  readonly #refused: RefusedUses;

  constructor(platform: Platform) {
    const { clock, apiKeyHashing } = platform;
    this.#platform = platform;
    this.#tokens = new TokenChecks(clock, apiKeyHashing);
    this.#endedTokens = new TokenChecks(clock, apiKeyHashing.whenIdle);
    this.#refused = new RefusedUses(platform);
  }

  /**
   * `text` is the key as it was shown. Only who holds the key learns why it is refused, and, while other
   * keys are being checked, that it must ask again to learn it; that it was shown is audited.
   *
   * @throws AppError `api_key.invalid`, `api_key.revoked`, `api_key.expired`, `hashing.busy`
   */
  async authenticate(text: string, requestId: string, address: string): Promise<Operation> {
    const { db, clock } = this.#platform;
    const token = readToken(text, 'key');
    const key = await findKeyCaller(db, token.id);
    const now = clock.now();
    const refusal = key === undefined ? undefined : endedRefusal(key, now);
    const tokens = refusal === undefined ? this.#tokens : this.#endedTokens;
    if (key === undefined || !(await tokens.matches(token, key.secretHash)))
      throw new AppError('api_key.invalid', 'The API key is not known here.');
    const { id, name, grants, expiresAt } = key;
    const actor = { kind: 'apiKey', id, name, grants, expiresAt } as const;
    const op = new Operation(actor, requestId, address);
    if (refusal !== undefined) {
      const act = { action: 'api-key:use', subject: `api-key:${id}` } as const;
      throw await this.#refused.noted(op, act, refusal);
    }
    if (now - (key.lastUsedAt?.getTime() ?? 0) >= USE_NOTED_MS)
      await db.write((writer) => noteUse(writer, id, new Date(now), new Date(now - USE_NOTED_MS)));
    return op;
  }
}

function endedRefusal({ revokedAt, expiresAt }: KeyCaller, nowMs: number): AppError | undefined {
  if (revokedAt !== null)
    return new AppError('api_key.revoked', 'The API key was revoked; ask for a new one.');
  if (expiresAt.getTime() <= nowMs)
    return new AppError('api_key.expired', 'The API key has expired; ask for a new one.');
  return undefined;
}

import { createHmac, randomBytes } from 'node:crypto';
import type { Token } from '@sallyport/crypto/token';
import { verifyTokenSecret } from '@sallyport/crypto/token-hash';
import type { BoundedPool } from './bounded-pool.ts';
import type { Clock } from './clock.ts';
import { ExpiringMap } from './expiring-map.ts';

/** How long after its last use a token that matched is remembered, so that PBKDF2 stays off the warm path. */
const REMEMBER_MS = 60_000;
const MAX_REMEMBERED = 10_000;

/** Against which hash a token was checked. */
type Check = { secretHash: string; matched: Promise<boolean> };

/**
 * Tells whether a token's secret is the one of its hash. A check is remembered from its beginning, under a
 * keyed hash of the token, so that requests in parallel share it; one that failed is forgotten.
 */
export class TokenChecks {
  readonly #clock: Clock;
  readonly #hashing: Pick<BoundedPool, 'run'>;
  readonly #memoryKey = randomBytes(32);
  readonly #checks: ExpiringMap<Check>;

  constructor(clock: Clock, hashing: Pick<BoundedPool, 'run'>) {
    this.#clock = clock;
    this.#hashing = hashing;
    this.#checks = new ExpiringMap(clock, MAX_REMEMBERED);
  }

  /** @throws AppError `hashing.busy` */
  async matches(token: Token, secretHash: string): Promise<boolean> {
    const memory = this.#memoryOf(token);
    const known = this.#checks.get(memory);
    const check =
      known?.secretHash === secretHash
        ? known
        : { secretHash, matched: this.#hash(token, secretHash) };
    this.#checks.set(memory, check, this.#clock.now() + REMEMBER_MS);
    let matched = false;
    try {
      matched = await check.matched;
      return matched;
    } finally {
      if (!matched) this.#checks.delete(memory);
    }
  }

  /** The same with a hash of its own, neither shared nor remembered. @throws AppError `hashing.busy` */
  async matchesAlone(token: Token, secretHash: string): Promise<boolean> {
    return this.#hash(token, secretHash);
  }

  /** Whether a check of the token has matched, or is being made: another may need no hash. */
  remembers(token: Token): boolean {
    return this.#checks.get(this.#memoryOf(token)) !== undefined;
  }

  /** Makes the next check of the token hash again, for one that is good for nothing. */
  forget(token: Token): void {
    this.#checks.delete(this.#memoryOf(token));
  }

  #memoryOf(token: Token): string {
    return createHmac('sha256', this.#memoryKey)
      .update(`${token.id} ${token.secret}`)
      .digest('base64url');
  }

  async #hash(token: Token, secretHash: string): Promise<boolean> {
    return (await this.#hashing.run(() => verifyTokenSecret(token.secret, secretHash))).valid;
  }
}

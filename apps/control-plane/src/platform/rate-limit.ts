import { AppError } from './app-error.ts';
import type { Clock } from './clock.ts';

/** How often one key may, and how many times at once when it has not for a while. */
export type Rate = { perSecond: number; burst: number };

/** Keys that are remembered; beyond, whoever came longest ago is forgotten, which is a full bucket. */
const MAX_KEYS = 50_000;

/** A bucket of tokens for each key, kept in this process: limits of replicas add up. */
export class RateLimit {
  readonly #clock: Clock;
  readonly #rate: Rate;
  readonly #maxKeys: number;
  /** In the order of their last use. */
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  constructor(clock: Clock, rate: Rate, maxKeys = MAX_KEYS) {
    this.#clock = clock;
    this.#rate = rate;
    this.#maxKeys = maxKeys;
  }

  /**
   * Counts one, or as many as come in one piece, which a bucket with anything in it lets through: what was missing is
   * waited for afterwards.
   *
   * @throws AppError `rate.limited`, and counts nothing, when the bucket is empty
   */
  take(key: string, count = 1): void {
    this.check(key);
    this.#put(key, this.#tokens(key) - count);
  }

  /** @throws AppError `rate.limited` when the bucket is empty */
  check(key: string): void {
    const missing = 1 - this.#tokens(key);
    if (missing <= 0) return;
    const retryAfterSeconds = Math.max(1, Math.ceil(missing / this.#rate.perSecond));
    throw new AppError('rate.limited', 'Too many requests; slow down and try again shortly.', {
      retryAfterSeconds,
    });
  }

  /** Uncounts one that was taken. */
  giveBack(key: string): void {
    this.#put(key, Math.min(this.#rate.burst, this.#tokens(key) + 1));
  }

  /** How many keys are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  #tokens(key: string): number {
    const { perSecond, burst } = this.#rate;
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return burst;
    const now = this.#clock.now();
    // A clock that was set back would keep it empty until the clock has caught up.
    if (now < bucket.atMs) bucket.atMs = now;
    return Math.min(burst, bucket.tokens + ((now - bucket.atMs) / 1000) * perSecond);
  }

  #put(key: string, tokens: number): void {
    this.#buckets.delete(key);
    this.#buckets.set(key, { tokens, atMs: this.#clock.now() });
    if (this.#buckets.size <= this.#maxKeys) return;
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }
}

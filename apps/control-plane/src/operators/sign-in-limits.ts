import { addressKey } from '../platform/address-key.ts';
import type { Clock } from '../platform/clock.ts';
import { RateLimit } from '../platform/rate-limit.ts';

/** Bounds the sign-ins that fail, of an address and at a name. One that succeeds counts for neither. */
export class SignInLimits {
  readonly #byAddress: RateLimit;
  readonly #byName: RateLimit;

  constructor(clock: Clock, perMinute: number) {
    const rate = { perSecond: perMinute / 60, burst: perMinute };
    this.#byAddress = new RateLimit(clock, rate);
    this.#byName = new RateLimit(clock, rate);
  }

  /**
   * Counted before it is tried, so that guesses in parallel all count.
   *
   * @throws AppError `rate.limited`, and whatever `attempt` throws
   */
  async countFailures<T>(address: string, name: string, attempt: () => Promise<T>): Promise<T> {
    const key = addressKey(address);
    this.#byName.check(name);
    this.#byAddress.take(key);
    this.#byName.take(name);
    const result = await attempt();
    this.#byAddress.giveBack(key);
    this.#byName.giveBack(name);
    return result;
  }
}

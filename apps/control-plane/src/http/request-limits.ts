import type { FastifyRequest } from 'fastify';
import { addressKey } from '../platform/address-key.ts';
import { AppError } from '../platform/app-error.ts';
import type { Clock } from '../platform/clock.ts';
import { RateLimit } from '../platform/rate-limit.ts';

/** As many seconds' worth of requests may come at once. */
const BURST_SECONDS = 10;

export type RequestRates = { perPrincipal: number; perAddress: number };

/**
 * Bounds how often somebody calls: whoever has shown a credential by who that is, anybody else by the address
 * of the connection, or what a trusted proxy says it is. Never by what a client can choose.
 */
export class RequestLimits {
  readonly #principals: RateLimit;
  readonly #strangers: RateLimit;

  constructor(clock: Clock, { perPrincipal, perAddress }: RequestRates) {
    const bucket = (perSecond: number) =>
      new RateLimit(clock, { perSecond, burst: perSecond * BURST_SECONDS });
    this.#principals = bucket(perPrincipal);
    this.#strangers = bucket(perAddress);
  }

  /** @throws AppError `rate.limited` */
  countPrincipal(kind: string, id: string): void {
    this.#principals.take(`${kind} ${id}`);
  }

  /** @throws AppError `rate.limited` */
  countStranger({ ip }: FastifyRequest): void {
    this.#strangers.take(addressKey(ip));
  }

  /** Before work for a credential that may be a wrong one. @throws AppError `rate.limited` */
  refuseNoisyStranger({ ip }: FastifyRequest): void {
    this.#strangers.check(addressKey(ip));
  }

  /** Lets somebody show a credential; one that is refused counts as a stranger's. @throws AppError also `rate.limited` */
  async countRefusal<T>(request: FastifyRequest, authenticate: () => Promise<T>): Promise<T> {
    try {
      return await authenticate();
    } catch (error) {
      // Forbidden is a forged request: it bears a cookie, which may be anybody’s or made up.
      if (error instanceof AppError && /^(?:unauthenticated|forbidden)$/.test(error.kind))
        this.countStranger(request);
      throw error;
    }
  }
}

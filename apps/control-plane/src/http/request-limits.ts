import type { ServerResponse } from 'node:http';
import { MAX_LEASES } from '@sallyport/contract';
import type { FastifyRequest } from 'fastify';
import { addressKey } from '../platform/address-key.ts';
import { AppError } from '../platform/app-error.ts';
import type { Clock } from '../platform/clock.ts';
import { RateLimit } from '../platform/rate-limit.ts';

/** As many seconds' worth of requests may come at once. */
const BURST_SECONDS = 10;

/** Of one agent: what its programs may ask of their leases at once, and room for what it sends of its own. */
const AT_ONCE = MAX_LEASES + 64;

type Caller = Pick<FastifyRequest, 'ip'>;

export type RequestRates = { perPrincipal: number; perAddress: number; eventsPerAgent: number };

/**
 * Bounds how often somebody calls: whoever has shown a credential by who that is, anybody else by the address
 * of the connection, or what a trusted proxy says it is. Never by what a client can choose.
 */
export class RequestLimits {
  readonly #principals: RateLimit;
  readonly #strangers: RateLimit;
  readonly #events: RateLimit;
  readonly #leases: RateLimit;
  readonly #underWay = new Map<string, number>();

  constructor(clock: Clock, { perPrincipal, perAddress, eventsPerAgent }: RequestRates) {
    const bucket = (perSecond: number) =>
      new RateLimit(clock, { perSecond, burst: perSecond * BURST_SECONDS });
    this.#principals = bucket(perPrincipal);
    this.#strangers = bucket(perAddress);
    this.#events = bucket(eventsPerAgent);
    this.#leases = bucket(eventsPerAgent);
  }

  /** @throws AppError `rate.limited` */
  countPrincipal(kind: string, id: string): void {
    this.#principals.take(`${kind} ${id}`);
  }

  /** Counts the audit events that an agent tells of: the audit keeps them for years. @throws AppError `rate.limited` */
  countEvents(agentId: string, count: number): void {
    this.#events.take(agentId, count);
  }

  /**
   * Counts a lease that an agent takes or prolongs, granted or refused: each is an event too. Not with those that it
   * tells of, which may be of hours; nor what is given back, which is at most what was taken.
   *
   * @throws AppError `rate.limited`
   */
  countLease(agentId: string): void {
    this.#leases.take(agentId);
  }

  /**
   * Counts an agent's request until it is answered or its connection is gone: its body is held while it comes, and
   * halves without end would fill the memory.
   *
   * @throws AppError `rate.limited`
   */
  countUnderWay(agentId: string, reply: ServerResponse): void {
    // Closed while the credential was looked at: nothing would tell when it ends.
    if (reply.closed) return;
    const others = this.#underWay.get(agentId) ?? 0;
    if (others >= AT_ONCE)
      throw new AppError(
        'rate.limited',
        'Too many requests of this agent at once; try again shortly.',
        { retryAfterSeconds: 2 },
      );
    this.#underWay.set(agentId, others + 1);
    reply.once('close', () => {
      const left = (this.#underWay.get(agentId) ?? 1) - 1;
      if (left === 0) this.#underWay.delete(agentId);
      else this.#underWay.set(agentId, left);
    });
  }

  /** @throws AppError `rate.limited` */
  countStranger({ ip }: Caller): void {
    this.#strangers.take(addressKey(ip));
  }

  /** Before work for a credential that may be a wrong one. @throws AppError `rate.limited` */
  refuseNoisyStranger({ ip }: Caller): void {
    this.#strangers.check(addressKey(ip));
  }

  /** Lets somebody show a credential; one that is refused counts as a stranger's. @throws AppError also `rate.limited` */
  async countRefusal<T>(request: Caller, authenticate: () => Promise<T>): Promise<T> {
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

import { AgentError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import { Backoff } from '../sync/backoff.ts';
import { unreachable } from './provider.ts';

/** More calls than `atOnce` wait, so many at most. */
const MAX_WAITING = 256;

type CircuitParts = {
  clock: Pick<Clock, 'now' | 'monotonic'>;
  random: () => number;
  /** How many calls run at a time. */
  atOnce: number;
};

/** What keeps a provider from being asked, and since when (milliseconds since the epoch). */
export type Failing = { sinceMs: number; error: AgentError };

/**
 * Guards one provider: few calls at a time, and none for a while after it did not answer, or asked to be left alone.
 * After that one call tries it; the others wait until that one has come back.
 */
export class Circuit {
  readonly #parts: CircuitParts;
  readonly #backoff: Backoff;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #failing: (Failing & { againAtMs: number }) | undefined;
  #isTrying = false;

  constructor(parts: CircuitParts) {
    this.#parts = parts;
    this.#backoff = new Backoff(parts.random);
  }

  get failing(): Failing | undefined {
    return this.#failing;
  }

  /**
   * Makes a call, or fails at once with what the last one failed with.
   *
   * @throws AgentError `agent.busy`, what the last call threw, what `call` throws
   */
  async run(call: () => Promise<Buffer>, signal: AbortSignal): Promise<Buffer> {
    this.#refuseWhileOpen();
    const isTrial = this.#failing !== undefined;
    if (isTrial) this.#isTrying = true;
    try {
      await this.#slot();
      try {
        if (signal.aborted) throw unreachable('the provider is asked for too much at a time');
        const value = await call();
        this.#failing = undefined;
        this.#backoff.reset();
        return value;
      } catch (error) {
        this.#note(error);
        throw error;
      } finally {
        this.#release();
      }
    } finally {
      if (isTrial) this.#isTrying = false;
    }
  }

  #refuseWhileOpen(): void {
    if (this.#failing === undefined) return;
    const { error, againAtMs } = this.#failing;
    const leftMs = againAtMs - this.#parts.clock.monotonic();
    if (leftMs <= 0 && !this.#isTrying) return;
    const { code, message, advice } = error;
    const retryAfterMs = Math.max(leftMs, 1_000);
    throw new AgentError(code, message, { advice, retryable: true, retryAfterMs, cause: error });
  }

  async #slot(): Promise<void> {
    if (this.#running < this.#parts.atOnce) {
      this.#running += 1;
      return;
    }
    if (this.#waiting.length >= MAX_WAITING)
      throw new AgentError('agent.busy', 'too many references wait to be resolved', {
        advice: 'try again in a few seconds',
        retryable: true,
      });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    await promise;
  }

  /** The place goes to who waits longest, before anybody else can take it. */
  #release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }

  /** What says nothing of the provider as a whole, such as that one thing is not there, shows that it answers. */
  #note(error: unknown): void {
    if (!(error instanceof AgentError) || !error.retryable) {
      this.#failing = undefined;
      this.#backoff.reset();
      return;
    }
    const { clock } = this.#parts;
    const sinceMs = this.#failing?.sinceMs ?? clock.now();
    this.#failing = { sinceMs, error, againAtMs: clock.monotonic() + this.#backoff.next(error) };
  }
}

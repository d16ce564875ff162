import { AgentError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import { Backoff } from '../sync/backoff.ts';
import { inTime } from './in-time.ts';

/** More calls than `atOnce` wait, so many at most. */
const MAX_WAITING = 256;

type CircuitParts = {
  clock: Pick<Clock, 'now' | 'monotonic'>;
  random: () => number;
  /** How many calls run at a time. */
  atOnce: number;
  /** The error of a call that is not answered in time. */
  late: () => AgentError;
  /** The provider begins to fail, or answers again. */
  onChange: (failing: Failing | undefined) => void;
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
  /** Calls that were given up and have not come back, as a disk that hangs keeps them. */
  #hanging = 0;
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
   * Makes a call, or fails at once with what the last one failed with. Once the signal aborts it is not waited for.
   *
   * @throws AgentError `agent.busy`, what the last call threw, what `call` throws
   */
  async run(call: () => Promise<Buffer>, signal: AbortSignal): Promise<Buffer> {
    let isTrial = this.#begin();
    try {
      await this.#slot(signal);
      try {
        // Meanwhile another call may have failed.
        if (!isTrial) isTrial = this.#begin();
        return await this.#asked(call, signal);
      } finally {
        this.#running -= 1;
        this.#admit();
      }
    } finally {
      if (isTrial) this.#isTrying = false;
    }
  }

  /** Whether the call is the one that tries a provider that fails. @throws AgentError while that is left alone */
  #begin(): boolean {
    const { atOnce, late, clock } = this.#parts;
    if (this.#hanging >= atOnce) throw this.#failing?.error ?? late();
    if (this.#failing === undefined) return false;
    const { error, againAtMs } = this.#failing;
    const leftMs = againAtMs - clock.monotonic();
    if (leftMs <= 0 && !this.#isTrying) return (this.#isTrying = true);
    const { code, message, advice } = error;
    const retryAfterMs = Math.max(leftMs, 1_000);
    throw new AgentError(code, message, { advice, retryable: true, retryAfterMs, cause: error });
  }

  async #asked(call: () => Promise<Buffer>, signal: AbortSignal): Promise<Buffer> {
    try {
      const { first, settled } = await inTime(call, signal);
      if (first === undefined) {
        this.#hanging += 1;
        void settled.then(() => {
          this.#hanging -= 1;
          this.#admit();
        });
        throw this.#parts.late();
      }
      this.#answered();
      return first;
    } catch (error) {
      this.#note(error);
      throw error;
    }
  }

  async #slot(signal: AbortSignal): Promise<void> {
    if (!this.#isFull()) {
      this.#running += 1;
      return;
    }
    if (this.#waiting.length >= MAX_WAITING) throw busy();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = () => {
      this.#waiting.splice(this.#waiting.indexOf(admit), 1);
      reject(busy());
    };
    const admit = () => {
      signal.removeEventListener('abort', giveUp);
      resolve();
    };
    this.#waiting.push(admit);
    signal.addEventListener('abort', giveUp, { once: true });
    await promise;
  }

  /** What hangs takes places, but not all of them: the rest still shows whether the provider answers. */
  #isFull(): boolean {
    const { atOnce } = this.#parts;
    return this.#running + Math.min(this.#hanging, Math.floor(atOnce / 2)) >= atOnce;
  }

  /** Places go to who waits longest, before anybody else can take them. */
  #admit(): void {
    while (!this.#isFull()) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#running += 1;
      next();
    }
  }

  #answered(): void {
    const wasFailing = this.#failing !== undefined;
    this.#failing = undefined;
    this.#backoff.reset();
    if (wasFailing) this.#parts.onChange(undefined);
  }

  /** What says nothing of the provider as a whole, such as that one thing is not there, shows that it answers. */
  #note(error: unknown): void {
    if (!(error instanceof AgentError) || !error.retryable) return this.#answered();
    // Of this host, such as a file of credentials: the provider was not asked.
    if (error.code === 'reference.failed') return;
    const { clock, onChange } = this.#parts;
    const before = this.#failing;
    const nowMs = clock.monotonic();
    // Of calls that were under way together, one counts.
    const againAtMs =
      before !== undefined && nowMs < before.againAtMs
        ? Math.max(before.againAtMs, nowMs + (error.retryAfterMs ?? 0))
        : nowMs + this.#backoff.next(error);
    this.#failing = { sinceMs: before?.sinceMs ?? clock.now(), error, againAtMs };
    if (before === undefined) onChange(this.#failing);
  }
}

function busy(): AgentError {
  return new AgentError('agent.busy', 'too many references wait to be resolved', {
    advice: 'try again in a few seconds',
    retryable: true,
  });
}

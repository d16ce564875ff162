import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from './clock.ts';

/** Each of `callers` calls once in `everyMs`, or when its last call is done if that takes longer. */
export type Pace = { callers: number; everyMs: number };
/** One call; `caller` and `count` tell it from every other. */
export type PacedCall = (caller: number, count: number) => Promise<unknown>;

/** Callers at a steady pace, and how long each call took. */
export class PacedCallers {
  #over = false;
  #latencies: number[] = [];
  readonly #calling: Promise<void>[];

  private constructor(pace: Pace, call: PacedCall) {
    this.#calling = Array.from({ length: pace.callers }, (_, caller) =>
      this.#call(pace, caller, call),
    );
  }

  static start(pace: Pace, call: PacedCall): PacedCallers {
    return new PacedCallers(pace, call);
  }

  /** The latencies since the last time, in milliseconds. */
  take(): number[] {
    return this.#latencies.splice(0);
  }

  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#calling);
  }

  /** Each waits for its reply, as a person or a pipeline does, and then for the next time that it calls. */
  async #call({ callers, everyMs }: Pace, caller: number, call: PacedCall): Promise<void> {
    await sleep((everyMs * caller) / callers);
    for (let count = 0; !this.#over; count += 1) {
      const sentAt = monotonicMs();
      await call(caller, count);
      const tookMs = monotonicMs() - sentAt;
      this.#latencies.push(tookMs);
      await sleep(Math.max(0, everyMs - tookMs));
    }
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from './clock.ts';
import type { Installation } from './installation.ts';

/** Operators that write secrets of one group at a steady pace, and how long each write took. */
export class Writers {
  #over = false;
  #latencies: number[] = [];
  readonly #writing: Promise<void>[];

  private constructor(call: Installation['call'], group: string, pace: Pace) {
    this.#writing = Array.from({ length: pace.writers }, (_, index) =>
      this.#write(call, `/groups/${group}/secrets/written-${index}`, pace, index),
    );
  }

  static start(call: Installation['call'], group: string, pace: Pace): Writers {
    return new Writers(call, group, pace);
  }

  /** The latencies since the last call, in milliseconds. */
  take(): number[] {
    return this.#latencies.splice(0);
  }

  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#writing);
  }

  /** A write that is late does not move those after it, and its wait counts. */
  async #write(
    call: Installation['call'],
    path: string,
    { writers, everyMs }: Pace,
    index: number,
  ): Promise<void> {
    let due = monotonicMs() + (everyMs * index) / writers;
    while (!this.#over) {
      await sleep(Math.max(0, due - monotonicMs()));
      await call('PUT', path, { value: `value-${due}`, offline: 'allow' });
      this.#latencies.push(monotonicMs() - due);
      due += everyMs;
    }
  }
}

/** Each of `writers` writes once in `everyMs`. */
export type Pace = { writers: number; everyMs: number };

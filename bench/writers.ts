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

  /** Each waits for its reply, as a person or a pipeline does, and then for the next time that it writes. */
  async #write(
    call: Installation['call'],
    path: string,
    { writers, everyMs }: Pace,
    index: number,
  ): Promise<void> {
    await sleep((everyMs * index) / writers);
    for (let count = 0; !this.#over; count += 1) {
      const sentAt = monotonicMs();
      await call('PUT', path, { value: `value-${count}`, offline: 'allow' });
      const tookMs = monotonicMs() - sentAt;
      this.#latencies.push(tookMs);
      await sleep(Math.max(0, everyMs - tookMs));
    }
  }
}

/** Each of `writers` writes once in `everyMs`, or when its last write is done if that takes longer. */
export type Pace = { writers: number; everyMs: number };

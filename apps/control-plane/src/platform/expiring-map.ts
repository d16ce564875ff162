import type { Clock } from './clock.ts';

/** Remembers things, each until its time (milliseconds since the epoch). When it is full, the oldest give way. */
export class ExpiringMap<Value> {
  readonly #clock: Clock;
  readonly #limit: number;
  /** Insertion order is age, so the front expires first where all live equally long. */
  readonly #held = new Map<string, { value: Value; untilMs: number }>();

  constructor(clock: Clock, limit: number) {
    this.#clock = clock;
    this.#limit = limit;
  }

  get(key: string): Value | undefined {
    const held = this.#held.get(key);
    return held !== undefined && held.untilMs > this.#clock.now() ? held.value : undefined;
  }

  set(key: string, value: Value, untilMs: number): void {
    this.#held.delete(key);
    this.#held.set(key, { value, untilMs });
    const now = this.#clock.now();
    for (const [oldest, held] of this.#held) {
      if (held.untilMs > now && this.#held.size <= this.#limit) break;
      this.#held.delete(oldest);
    }
  }

  delete(key: string): void {
    this.#held.delete(key);
  }
}

import type { Clock } from './clock.ts';

/**
 * What lives longer than what is new goes behind it, so many at a time: set by a clock that was ahead, it would keep all
 * that came after it from being forgotten, until that time.
 */
const PASSED_AT_ONCE = 2;

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
    let toPass = PASSED_AT_ONCE;
    for (const [oldest, held] of this.#held) {
      const stays = held.untilMs > now && this.#held.size <= this.#limit;
      if (stays && (held.untilMs <= untilMs || toPass === 0)) break;
      this.#held.delete(oldest);
      if (!stays) continue;
      this.#held.set(oldest, held);
      toPass -= 1;
    }
  }

  /** How many are held, those among them that have expired and not given way yet. */
  get size(): number {
    return this.#held.size;
  }

  delete(key: string): void {
    this.#held.delete(key);
  }
}

import { BoundedPool, type PoolLimits } from './bounded-pool.ts';

/** A bounded pool for each thing that is worked on, there as long as somebody works on it. */
export class Turns {
  readonly #limits: PoolLimits;
  readonly #busy = new Map<string, { pool: BoundedPool; takers: number }>();

  constructor(limits: PoolLimits) {
    this.#limits = limits;
  }

  /** @throws AppError the refusal, when `take` would refuse at once */
  refuseFull(key: string): void {
    this.#busy.get(key)?.pool.refuseFull();
  }

  /** @throws AppError the refusal, when too many wait for a turn with the same key */
  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = this.#busy.get(key) ?? { pool: new BoundedPool(this.#limits), takers: 0 };
    this.#busy.set(key, turn);
    turn.takers += 1;
    try {
      return await turn.pool.run(work);
    } finally {
      turn.takers -= 1;
      if (turn.takers === 0) this.#busy.delete(key);
    }
  }
}

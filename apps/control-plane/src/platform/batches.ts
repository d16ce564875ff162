import type { AppError } from './app-error.ts';

/** How many go together, how many such batches run at a time, how many may wait, and what the rest is told. */
export type BatchLimits = {
  batch: number;
  lanes: number;
  queued: number;
  refusal: () => AppError;
};

type Waiting<Item, Result> = {
  item: Item;
  done: (result: Result | undefined) => void;
  failed: (error: unknown) => void;
};

/**
 * Writes or reads together what is asked for at the same time: what comes while a batch is under way shares the
 * next one. `work` gives the results in the order of the items, or none. Each caller hears of its own item once its
 * batch is done, and all of a batch fail together.
 */
export class Batches<Item, Result = void> {
  readonly #work: (items: Item[]) => Promise<readonly (Result | undefined)[] | void>;
  readonly #limits: BatchLimits;
  #waiting: Waiting<Item, Result>[] = [];
  #running = 0;

  constructor(
    work: (items: Item[]) => Promise<readonly (Result | undefined)[] | void>,
    limits: BatchLimits,
  ) {
    this.#work = work;
    this.#limits = limits;
  }

  /** Resolves when its batch, which begins after this call, is done. @throws AppError the refusal, when too many wait */
  async add(item: Item): Promise<Result | undefined> {
    if (this.#waiting.length >= this.#limits.queued) throw this.#limits.refusal();
    return new Promise((done, failed) => {
      this.#waiting.push({ item, done, failed });
      if (this.#running < this.#limits.lanes) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#running += 1;
    // After those that arrive in the same turn.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, this.#limits.batch);
      this.#waiting = this.#waiting.slice(batch.length);
      try {
        const results = await this.#work(batch.map(({ item }) => item));
        for (const [index, { done }] of batch.entries()) done(results?.[index]);
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
    }
    this.#running -= 1;
  }
}

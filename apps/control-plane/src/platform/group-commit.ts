import type { AppError } from './app-error.ts';

/** How many are written at once, how many such writes run at a time, how many may wait, and what the rest is told. */
export type GroupCommitLimits = {
  batch: number;
  lanes: number;
  queued: number;
  refusal: () => AppError;
};

type Waiting<Row> = { row: Row; done: () => void; failed: (error: unknown) => void };

/**
 * Writes what comes at the same time together: what arrives while a write is under way shares the next one.
 * Each caller hears of its own row once that is committed, and all of a write fail together.
 */
export class GroupCommit<Row> {
  readonly #write: (rows: Row[]) => Promise<void>;
  readonly #limits: GroupCommitLimits;
  #waiting: Waiting<Row>[] = [];
  #writing = 0;

  constructor(write: (rows: Row[]) => Promise<void>, limits: GroupCommitLimits) {
    this.#write = write;
    this.#limits = limits;
  }

  /** Resolves when the row is committed. @throws AppError the refusal, when too many wait */
  async add(row: Row): Promise<void> {
    if (this.#waiting.length >= this.#limits.queued) throw this.#limits.refusal();
    return new Promise((done, failed) => {
      this.#waiting.push({ row, done, failed });
      if (this.#writing < this.#limits.lanes) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#writing += 1;
    // After those that arrive in the same turn.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, this.#limits.batch);
      this.#waiting = this.#waiting.slice(batch.length);
      try {
        await this.#write(batch.map(({ row }) => row));
        for (const { done } of batch) done();
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
    }
    this.#writing -= 1;
  }
}

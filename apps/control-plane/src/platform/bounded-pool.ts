import { AppError } from './app-error.ts';

/**
 * Runs expensive work, such as hashing, at most `concurrency` at a time, with at most `queued` more
 * waiting; beyond that the caller is told to come back (429).
 */
export class BoundedPool {
  readonly #concurrency: number;
  readonly #queued: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(limits: { concurrency: number; queued: number }) {
    this.#concurrency = limits.concurrency;
    this.#queued = limits.queued;
  }

  /** @throws AppError `hashing.busy` when the queue is full */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#concurrency) {
      if (this.#waiting.length >= this.#queued) {
        throw new AppError(
          'hashing.busy',
          'Too many credentials are being checked; try again shortly.',
          { retryAfterSeconds: 2 },
        );
      }
      await new Promise<void>((admit) => this.#waiting.push(admit));
    } else {
      this.#running += 1;
    }
    try {
      return await work();
    } finally {
      // The slot goes straight to the next in line, so nobody can slip in between.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}

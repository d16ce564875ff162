import { AppError } from './app-error.ts';

/** How much runs at a time, how much more may wait, for how long if not for ever, and what the rest is told. */
export type PoolLimits = {
  concurrency: number;
  queued: number;
  patienceMs?: number;
  refusal: () => AppError;
};

/** What is told whoever would wait too long for a credential to be checked. */
export function hashingBusy(): AppError {
  return new AppError(
    'hashing.busy',
    'Too many credentials are being checked; try again shortly.',
    { retryAfterSeconds: 2 },
  );
}

/** Runs work that is dear, such as hashing, within limits. */
export class BoundedPool {
  readonly #limits: PoolLimits;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(limits: PoolLimits) {
    this.#limits = limits;
  }

  /** The same pool for work that must hold up no other: it is refused unless it can begin at once. */
  get whenIdle(): Pick<BoundedPool, 'run'> {
    return {
      run: async (work) => {
        if (this.#running >= this.#limits.concurrency) throw this.#limits.refusal();
        return this.run(work);
      },
    };
  }

  /** @throws AppError the refusal, when `run` would refuse at once */
  refuseFull(): void {
    const { concurrency, queued, refusal } = this.#limits;
    if (this.#running >= concurrency && this.#waiting.length >= queued) throw refusal();
  }

  /** @throws AppError the refusal, when the queue is full or its turn does not come in time */
  async run<T>(work: () => Promise<T>): Promise<T> {
    this.refuseFull();
    if (this.#running >= this.#limits.concurrency) {
      await this.#turn();
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

  async #turn(): Promise<void> {
    const { patienceMs, refusal } = this.#limits;
    return new Promise((resolve, reject) => {
      const admit = () => {
        clearTimeout(timer);
        resolve();
      };
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(admit), 1);
        reject(refusal());
      };
      const timer = patienceMs === undefined ? undefined : setTimeout(leave, patienceMs);
      this.#waiting.push(admit);
    });
  }
}

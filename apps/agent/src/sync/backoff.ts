import type { AgentError } from '../agent-error.ts';

const BASE_MS = 250;
const CAP_MS = 30_000;
const SLOW_MS = 60_000;

/**
 * How long to wait after a failure: full jitter, a random part of 250 ms * 2^n and of at most 30 s. A
 * fault that will not pass by itself is asked about again within 30 to 60 s. Never sooner than the
 * control plane asked for.
 */
export class Backoff {
  readonly #random: () => number;
  #failures = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  reset(): void {
    this.#failures = 0;
  }

  /** Milliseconds to wait, `fault` being absent when the control plane merely had nothing to say. */
  next(fault?: Pick<AgentError, 'retryable' | 'retryAfterMs'>): number {
    const ceiling = Math.min(CAP_MS, BASE_MS * 2 ** this.#failures);
    this.#failures += 1;
    if (fault?.retryable === false) return (SLOW_MS / 2) * (1 + this.#random());
    return (fault?.retryAfterMs ?? 0) + ceiling * this.#random();
  }
}

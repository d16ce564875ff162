import type { Clock } from '../clock.ts';

/** A Date header names a whole second; on average half of it has passed. */
const HALF_A_SECOND_MS = 500;
const WORTH_CORRECTING_MS = 5_000;
/** A proof is not made by a clock that is further away: then somebody must set one of the two. */
export const MOST_CORRECTED_MS = 24 * 3_600_000;

/**
 * The control plane's time, as its Date headers tell it. Proofs are made by it, so that an agent whose
 * own clock is wrong by up to a day keeps working.
 */
export class ServerClock {
  readonly #clock: Pick<Clock, 'now'>;
  #offsetMs: number | undefined;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** Takes note of a reply's Date header, received `agoMs` milliseconds ago: on a slow line its body takes minutes. */
  observe(date: string | undefined, agoMs = 0): void {
    const serverMs = Date.parse(date ?? '') + HALF_A_SECOND_MS;
    if (Number.isFinite(serverMs)) this.#offsetMs = this.#clock.now() - agoMs - serverMs;
  }

  /** The agent's clock minus the control plane's, in milliseconds, to about a second. */
  offsetMs(): number | undefined {
    return this.#offsetMs;
  }

  /** Milliseconds since the epoch by the control plane's clock; by the agent's own when they differ by over a day. */
  now(): number {
    const offset = this.#offsetMs ?? 0;
    const correct = Math.abs(offset) > WORTH_CORRECTING_MS && Math.abs(offset) <= MOST_CORRECTED_MS;
    return this.#clock.now() - (correct ? offset : 0);
  }
}

/** The control plane tells its time in whole seconds, so that less than two of them tell nothing. */
export function offsetInWords(offsetMs: number): string {
  const seconds = Math.round(offsetMs / 1000);
  return Math.abs(seconds) < 2
    ? 'in step with the control plane’s'
    : `${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} the control plane’s`;
}

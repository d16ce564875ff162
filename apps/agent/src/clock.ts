import { setTimeout as timeout } from 'node:timers/promises';

/** A longer timer would end after 1 ms. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Time as the agent sees it; injected, so that tests and simulators bring their own. */
export type Clock = {
  /** Milliseconds since the epoch. May jump. */
  now(): number;
  /** Milliseconds since a fixed point. Never jumps. */
  monotonic(): number;
  /** Resolves after `ms`, at most 24 days, and at once when `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
};

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: async (ms, signal) => {
    if (ms <= 0) return;
    try {
      await timeout(
        Math.min(ms, LONGEST_TIMER_MS),
        undefined,
        signal === undefined ? {} : { signal },
      );
    } catch (error) {
      if (!signal?.aborted) throw error;
    }
  },
};

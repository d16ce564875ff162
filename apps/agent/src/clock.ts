import { uptime } from 'node:os';
import { setTimeout as timeout } from 'node:timers/promises';

/** A longer timer would end after 1 ms. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Time as the agent sees it; injected, so that tests and simulators bring their own. */
export type Clock = {
  /** Milliseconds since the epoch. May jump. */
  now(): number;
  /** Milliseconds since a fixed point, with the time that the host slept. Never steps back. */
  monotonic(): number;
  /** Resolves after `ms`, at most 24 days, and at once when `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
};

/** Some systems tell their uptime in whole seconds. */
const UPTIME_GRAIN_MS = 2_000;

/** A timer that stands still while the host sleeps, as Linux's does, put right by the host's uptime in seconds. */
export function monotonicOf(timerMs: () => number, uptimeSeconds: () => number): () => number {
  const headStartMs = () => uptimeSeconds() * 1000 - timerMs();
  const headStartAwakeMs = headStartMs();
  return () => {
    const asleepMs = headStartMs() - headStartAwakeMs;
    return timerMs() + (asleepMs > UPTIME_GRAIN_MS ? asleepMs : 0);
  };
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: monotonicOf(() => performance.now(), uptime),
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

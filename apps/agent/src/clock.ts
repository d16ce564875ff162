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

/** One instant by both clocks, in milliseconds. */
export type Moment = { monotonic: number; epoch: number };
type BothClocks = Pick<Clock, 'now' | 'monotonic'>;

export function momentOf(clock: BothClocks): Moment {
  return { monotonic: clock.monotonic(), epoch: clock.now() };
}

export function later({ monotonic, epoch }: Moment, ms: number): Moment {
  return { monotonic: monotonic + ms, epoch: epoch + ms };
}

/**
 * Milliseconds since an instant, by the clock that says more; negative before it. A virtual machine that was paused
 * learns of that from its wall clock alone, and a wall clock that is set back keeps nothing for longer.
 */
export function elapsedMs(clock: BothClocks, since: Moment): number {
  return Math.max(clock.monotonic() - since.monotonic, clock.now() - since.epoch);
}

/** Shorter sleeps are passed over: some systems tell their uptime in whole seconds. */
const SHORTEST_SLEEP_MS = 2_000;

/** Where the time comes from: a timer that stands still while the host sleeps, as Linux's does, and two that do not. */
export type TimeSources = { timerMs(): number; wallMs(): number; uptimeSeconds(): number };

/**
 * The timer, put right by the host's uptime. That takes 30 µs to read, so it is asked only when the wall
 * clock has moved against the timer: the host slept, or somebody set the clock.
 */
export function monotonicOf({ timerMs, wallMs, uptimeSeconds }: TimeSources): () => number {
  const uptimeLead = () => uptimeSeconds() * 1000 - timerMs();
  const uptimeLeadAwake = uptimeLead();
  let wallLead = wallMs() - timerMs();
  let asleepMs = 0;
  return () => {
    const now = timerMs();
    const lead = wallMs() - now;
    if (Math.abs(lead - wallLead) > SHORTEST_SLEEP_MS) {
      wallLead = lead;
      const slept = uptimeLead() - uptimeLeadAwake;
      if (slept > asleepMs + SHORTEST_SLEEP_MS) asleepMs = slept;
    }
    return now + asleepMs;
  };
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: monotonicOf({
    timerMs: () => performance.now(),
    wallMs: () => Date.now(),
    uptimeSeconds: uptime,
  }),
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

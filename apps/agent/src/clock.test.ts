import { beforeEach, describe, expect, test } from '@jest/globals';
import { monotonicOf, systemClock } from './clock.ts';

test('a sleep that is longer than any timer does not end at once', async () => {
  const stopping = new AbortController();
  const long = systemClock.sleep(2 ** 40, stopping.signal).then(() => 'long');
  const short = systemClock.sleep(20).then(() => 'short');
  expect(await Promise.race([long, short])).toBe('short');
  stopping.abort();
  expect(await long).toBe('long');
});

describe('the monotonic clock', () => {
  const HOUR_MS = 3_600_000;
  let time: { timerMs: number; wallMs: number; uptimeSeconds: number };
  let monotonic: () => number;
  beforeEach(() => {
    time = { timerMs: 5000, wallMs: 1_000_000, uptimeSeconds: 1000 };
    monotonic = monotonicOf({
      timerMs: () => time.timerMs,
      wallMs: () => time.wallMs,
      uptimeSeconds: () => Math.floor(time.uptimeSeconds),
    });
  });
  const awake = (ms: number) => {
    time.timerMs += ms;
    asleep(ms);
  };
  const asleep = (ms: number) => {
    time.wallMs += ms;
    time.uptimeSeconds += ms / 1000;
  };

  test('[F-08] counts time that the host slept, though timers stand still, and a coarse uptime adds nothing', () => {
    awake(1500);
    expect(monotonic()).toBe(6500);
    asleep(48 * HOUR_MS);
    expect(monotonic()).toBeGreaterThan(6500 + 48 * HOUR_MS - 2000);
    expect(monotonic()).toBeLessThan(6500 + 48 * HOUR_MS + 2000);
    const before = monotonic();
    awake(1000);
    expect(monotonic()).toBe(before + 1000);
    asleep(HOUR_MS);
    expect(monotonic()).toBeGreaterThan(before + HOUR_MS - 2000);
  });

  test.each([-10, 10])(
    '[F-08] does not follow a wall clock that is set by %i minutes',
    (minutes) => {
      awake(1500);
      time.wallMs += minutes * 60_000;
      expect(monotonic()).toBe(6500);
      awake(1500);
      expect(monotonic()).toBe(8000);
    },
  );
});

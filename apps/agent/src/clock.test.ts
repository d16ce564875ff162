import { expect, test } from '@jest/globals';
import { monotonicOf, systemClock } from './clock.ts';

test('a sleep that is longer than any timer does not end at once', async () => {
  const stopping = new AbortController();
  const long = systemClock.sleep(2 ** 40, stopping.signal).then(() => 'long');
  const short = systemClock.sleep(20).then(() => 'short');
  expect(await Promise.race([long, short])).toBe('short');
  stopping.abort();
  expect(await long).toBe('long');
});

test('[F-08] time that the host slept is counted, though timers stand still, and a coarse uptime adds nothing', () => {
  let timerMs = 5000;
  let uptimeSeconds = 1000;
  const monotonic = monotonicOf(
    () => timerMs,
    () => Math.floor(uptimeSeconds),
  );
  timerMs += 1500;
  uptimeSeconds += 1.5;
  expect(monotonic()).toBe(6500);
  uptimeSeconds += 48 * 3600;
  expect(monotonic()).toBeGreaterThan(6500 + 48 * 3_600_000 - 2000);
});

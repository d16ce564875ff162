import { expect, test } from '@jest/globals';
import { systemClock } from './clock.ts';

test('a sleep that is longer than any timer does not end at once', async () => {
  const stopping = new AbortController();
  const long = systemClock.sleep(2 ** 40, stopping.signal).then(() => 'long');
  const short = systemClock.sleep(20).then(() => 'short');
  expect(await Promise.race([long, short])).toBe('short');
  stopping.abort();
  expect(await long).toBe('long');
});

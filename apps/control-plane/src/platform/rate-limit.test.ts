import { expect, test } from '@jest/globals';
import { createClock } from '@sallyport/testkit/clock';
import { addressKey } from './address-key.ts';
import { RateLimit } from './rate-limit.ts';

const limited = expect.objectContaining({ code: 'rate.limited', retryAfterSeconds: 1 });

function refusal(act: () => void): unknown {
  try {
    act();
    return undefined;
  } catch (error) {
    return error;
  }
}

test('a key may as often as its burst at once, then as often as its rate; another key is not held up', () => {
  const clock = createClock();
  const limit = new RateLimit(clock, { perSecond: 2, burst: 4 });
  for (let taken = 0; taken < 4; taken += 1) limit.take('a');
  expect(refusal(() => limit.take('a'))).toEqual(limited);
  expect(refusal(() => limit.take('b'))).toBeUndefined();
  clock.advance(500);
  expect(refusal(() => limit.take('a'))).toBeUndefined();
  expect(refusal(() => limit.take('a'))).toEqual(limited);
  clock.advance(60_000);
  for (let taken = 0; taken < 4; taken += 1) limit.take('a');
  expect(refusal(() => limit.check('a'))).toEqual(limited);
});

test('[F-08] a clock that is set back by an hour keeps nobody out for an hour', () => {
  const clock = createClock();
  const limit = new RateLimit(clock, { perSecond: 1, burst: 1 });
  limit.take('a');
  clock.advance(-3_600_000);
  expect(refusal(() => limit.take('a'))).toEqual(limited);
  clock.advance(1_000);
  expect(refusal(() => limit.take('a'))).toBeUndefined();
});

test('what is given back may be taken again, and never more than the burst', () => {
  const limit = new RateLimit(createClock(), { perSecond: 1 / 60, burst: 1 });
  limit.take('a');
  expect(refusal(() => limit.take('a'))).toMatchObject({ retryAfterSeconds: 60 });
  limit.giveBack('a');
  limit.giveBack('a');
  limit.take('a');
  expect(refusal(() => limit.take('a'))).toMatchObject({ code: 'rate.limited' });
});

test('a flood of keys is forgotten beyond the limit, the oldest first', () => {
  const limit = new RateLimit(createClock(), { perSecond: 1, burst: 1 }, 100);
  for (let key = 0; key < 10_000; key += 1) limit.take(String(key));
  expect(limit.size).toBe(100);
  expect(refusal(() => limit.take('9999'))).toEqual(limited);
});

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:0DB8:0001:0002::1', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['1::', '1:0:0:0::/64'],
  ['_hidden', 'unknown'],
])('%s is counted as %s', (address, key) => {
  expect(addressKey(address)).toBe(key);
});

import { expect, test } from '@jest/globals';
import { silentLog } from '../log.ts';
import { AgeLimit } from './age-limit.ts';

const MAX_STALE_SECONDS = 60;

/** Watches values that are too old, by a clock that sleeping sets, until the control plane is reached at `reachedAtMs`. */
function watching({
  reachedAtMs = Infinity,
  failsEveryMs = Infinity,
  stopsAfterMs = Infinity,
  ageSeconds = MAX_STALE_SECONDS + 1,
  isEmpty = false,
  isLimited = true,
} = {}) {
  const stop = new AbortController();
  const seen = { nowMs: 0, wipes: 0 };
  const isReached = () => seen.nowMs >= reachedAtMs;
  const limit = new AgeLimit({
    contact: {
      // None: neither refused nor answered, as by a network that swallows everything.
      get failures() {
        return Math.floor(seen.nowMs / failsEveryMs);
      },
      ageSeconds: () => (isReached() ? 0 : ageSeconds),
    },
    clock: {
      monotonic: () => seen.nowMs,
      sleep: async (ms) => {
        seen.nowMs += ms;
        if (seen.nowMs > Math.min(reachedAtMs, stopsAfterMs)) stop.abort();
      },
    },
    maxStaleSeconds: isLimited ? MAX_STALE_SECONDS : undefined,
    holdsValues: () => !isEmpty && seen.wipes === 0,
    wipe: () => (seen.wipes += 1),
    log: silentLog,
  });
  return { seen, limit, gaveUp: limit.run(stop.signal) };
}

test('[F-05] an agent that hears nothing at all gives up half a minute after its values were wiped', async () => {
  const { seen, gaveUp } = watching();
  expect(await gaveUp).toMatchObject({ code: 'values.too_old' });
  expect(seen).toEqual({ nowMs: 30_000, wipes: 1 });
});

test('[F-05] and goes on where its control plane is reached by then', async () => {
  const { seen, gaveUp } = watching({ reachedAtMs: 29_000 });
  expect(await gaveUp).toBeUndefined();
  expect(seen.wipes).toBe(1);
});

test('[F-05] and after two attempts that failed, of which the first may be older than a sleep of the host', async () => {
  const { seen, gaveUp } = watching({ failsEveryMs: 5_000 });
  expect(await gaveUp).toMatchObject({ code: 'values.too_old' });
  expect(seen).toEqual({ nowMs: 10_000, wipes: 1 });
});

test.each([
  ['values are of the greatest age there may be', { ageSeconds: MAX_STALE_SECONDS }],
  ['there are none', { isEmpty: true }],
])('[F-05] nothing is wiped, and the agent goes on, while %s', async (_, parts) => {
  const { seen, gaveUp } = watching({ ...parts, stopsAfterMs: 5_000 });
  expect(await gaveUp).toBeUndefined();
  expect(seen).toEqual({ nowMs: 6_000, wipes: 0 });
});

test('without a limit nobody watches, and a look wipes nothing', async () => {
  const { seen, limit, gaveUp } = watching({ isLimited: false });
  expect(await gaveUp).toBeUndefined();
  limit.look();
  expect(seen).toEqual({ nowMs: 0, wipes: 0 });
});

test('an agent that is stopped after its values were wiped ends at once, and without an error', async () => {
  const { seen, gaveUp } = watching({ stopsAfterMs: 5_000 });
  expect(await gaveUp).toBeUndefined();
  expect(seen.nowMs).toBeLessThan(10_000);
});

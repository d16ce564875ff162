import { expect, test } from '@jest/globals';
import { silentLog } from '../log.ts';
import { AgeLimit } from './age-limit.ts';

const MAX_STALE_SECONDS = 60;

/** Watches values that are too old, by a clock that sleeping sets, until the control plane is reached at `reachedAtMs`. */
function watching({ reachedAtMs = Infinity, failsEveryMs = Infinity } = {}) {
  const stop = new AbortController();
  const seen = { nowMs: 0, wipes: 0 };
  const isReached = () => seen.nowMs >= reachedAtMs;
  const limit = new AgeLimit({
    contact: {
      // None: neither refused nor answered, as by a network that swallows everything.
      get failures() {
        return Math.floor(seen.nowMs / failsEveryMs);
      },
      ageSeconds: () => (isReached() ? 0 : MAX_STALE_SECONDS + 1),
    },
    clock: {
      monotonic: () => seen.nowMs,
      sleep: async (ms) => {
        seen.nowMs += ms;
        if (seen.nowMs > reachedAtMs) stop.abort();
      },
    },
    maxStaleSeconds: MAX_STALE_SECONDS,
    holdsValues: () => seen.wipes === 0,
    wipe: () => (seen.wipes += 1),
    log: silentLog,
  });
  return { seen, gaveUp: limit.run(stop.signal) };
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

import { expect, test } from '@jest/globals';
import { SharedLooks } from './shared-looks.ts';

/** Looks at `seen`; each look ends when its gate, in the order of their beginnings, is opened. */
function looks() {
  const gates = [0, 1, 2].map(() => Promise.withResolvers<void>());
  const state = { seen: 0, begun: 0 };
  const shared = new SharedLooks(async () => {
    const { seen, begun } = state;
    state.begun += 1;
    await gates[begun]?.promise;
    return seen;
  });
  return { gates, state, shared };
}

test('who asks while a look is under way is not told what that has seen, but shares the next', async () => {
  const { gates, state, shared } = looks();
  const first = shared.after('a');
  state.seen = 1;
  const later = Array.from({ length: 100 }, () => shared.after('a'));
  gates[0]?.resolve();
  expect(await first).toBe(0);
  gates[1]?.resolve();
  expect(new Set(await Promise.all(later))).toEqual(new Set([1]));
  expect(state.begun).toBe(2);
});

test('a look that failed fails those who share it, and nobody after them', async () => {
  const { gates, shared } = looks();
  const failing = shared.after('a').catch((error: unknown) => error);
  const other = shared.after('b');
  const later = shared.after('a');
  gates[0]?.reject(new Error('gone'));
  gates[1]?.resolve();
  expect(await failing).toEqual(new Error('gone'));
  expect(await other).toBe(0);
  gates[2]?.resolve();
  expect(await later).toBe(0);
});

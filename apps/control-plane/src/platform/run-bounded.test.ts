import { expect, test } from '@jest/globals';
import { runBounded, TimeLimitError } from './run-bounded.ts';

test('gives back what the work gives back, and throws what it throws', () => {
  expect(runBounded(1_000, () => undefined)).toBeUndefined();
  expect(runBounded(1_000, () => 'done')).toBe('done');
  const error = new RangeError('of the work');
  const throwing = () => {
    throw error;
  };
  expect(() => runBounded(1_000, throwing)).toThrow(error);
});

test('[F-23] ends a loop and a regular expression that would go on for ever, and works afterwards', () => {
  const loop = () => {
    for (;;);
  };
  expect(() => runBounded(50, loop)).toThrow(TimeLimitError);
  expect(() => runBounded(50, () => /^(a+)+$/.test(`${'a'.repeat(60)}b`))).toThrow(TimeLimitError);
  expect(runBounded(1_000, () => 1)).toBe(1);
});

test('does not count time in which the host ran something else', () => {
  const wait = new Int32Array(new SharedArrayBuffer(4));
  let attempts = 0;
  const starved = () => {
    attempts += 1;
    Atomics.wait(wait, 0, 0, 60);
    return attempts;
  };
  expect(runBounded(40, starved)).toBeGreaterThan(1);
});

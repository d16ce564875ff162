import { describe, expect, test } from '@jest/globals';
import { Backoff } from './backoff.ts';

type Fault = NonNullable<Parameters<Backoff['next']>[0]>;
const passing: Fault = { retryable: true, retryAfterMs: undefined };

function delays(random: () => number, count: number, fault = passing): number[] {
  const backoff = new Backoff(random);
  return Array.from({ length: count }, () => backoff.next(fault));
}

describe('the wait after a failure', () => {
  test('doubles its ceiling from 250 ms to 30 s and no further', () => {
    expect(delays(() => 1, 9)).toEqual([250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  });

  test('is any part of the ceiling, so that many agents do not come back together', () => {
    expect(delays(() => 0, 3)).toEqual([0, 0, 0]);
    expect(delays(() => 0.5, 3)).toEqual([125, 250, 500]);
  });

  test('starts again after a success', () => {
    const backoff = new Backoff(() => 1);
    backoff.next(passing);
    backoff.next(passing);
    backoff.reset();
    expect(backoff.next(passing)).toBe(250);
  });

  test('is never shorter than the control plane asked for', () => {
    expect(delays(() => 0, 1, { retryable: true, retryAfterMs: 5000 })).toEqual([5000]);
    expect(delays(() => 1, 1, { retryable: true, retryAfterMs: 5000 })).toEqual([5250]);
  });

  test('is 30 to 60 s for a refusal that does not pass by itself', () => {
    const lasting = { retryable: false, retryAfterMs: undefined };
    expect(delays(() => 0, 2, lasting)).toEqual([30_000, 30_000]);
    expect(delays(() => 1, 2, lasting)).toEqual([60_000, 60_000]);
  });

  test('does not overflow after months of failures', () => {
    expect(delays(() => 1, 2000).at(-1)).toBe(30_000);
  });
});

import { describe, expect, test } from '@jest/globals';
import { percentile } from './percentile.ts';

describe('a percentile', () => {
  test('is a sample, by nearest rank', () => {
    const samples = Array.from({ length: 200 }, (_, index) => 200 - index);
    expect(percentile(samples, 0.5)).toBe(100);
    expect(percentile(samples, 0.99)).toBe(198);
    expect(percentile(samples, 1)).toBe(200);
    expect(percentile([7], 0.99)).toBe(7);
  });

  test('of nothing is refused', () => {
    expect(() => percentile([], 0.5)).toThrow('there are no samples');
  });
});

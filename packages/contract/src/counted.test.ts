import { expect, test } from '@jest/globals';
import { counted } from './counted.ts';

test('one is told as one, and none and more as many', () => {
  expect([0, 1, 2].map((count) => counted(count, 'value'))).toEqual([
    '0 values',
    '1 value',
    '2 values',
  ]);
  expect(counted(1, 'entry', 'entries')).toBe('1 entry');
  expect(counted(3, 'entry', 'entries')).toBe('3 entries');
});

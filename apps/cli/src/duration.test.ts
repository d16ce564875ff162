import { expect, test } from '@jest/globals';
import { duration } from './duration.ts';

test.each([
  ['90s', 90],
  ['30m', 1800],
  ['1h', 3600],
  ['1h30m', 5400],
  ['7d', 604_800],
  ['1d2h3m4s', 93_784],
  ['0s', 0],
])('%s is %i seconds', (text, seconds) => {
  expect(duration.parse(text)).toBe(seconds);
});

test.each([
  '',
  '1',
  'h',
  '1 h',
  '-1h',
  '1.5h',
  '1H',
  '30m1h',
  '1h1h',
  '1w',
  '1h\n',
  'PT1H',
  '9999999s',
])('%j is refused', (text) => {
  expect(duration.safeParse(text).success).toBe(false);
});

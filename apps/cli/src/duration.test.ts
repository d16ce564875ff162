import { expect, test } from '@jest/globals';
import { duration, written } from './duration.ts';

test.each([
  ['90s', 90],
  ['30m', 1800],
  ['1h', 3600],
  ['1h30m', 5400],
  ['7d', 604_800],
  ['1d2h3m4s', 93_784],
  ['0s', 0],
])('%s is %i seconds, and read from what it is written as', (text, seconds) => {
  expect(duration.parse(text)).toBe(seconds);
  expect(duration.parse(written(seconds))).toBe(seconds);
});

test.each([
  [0, '0s'],
  [90, '1m30s'],
  [900, '15m'],
  [5400, '1h30m'],
  [604_800, '7d'],
  [93_784, '1d2h3m4s'],
])('%i seconds are written %s', (seconds, text) => {
  expect(written(seconds)).toBe(text);
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

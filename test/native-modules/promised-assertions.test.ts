import { expect, test } from '@jest/globals';
import { brokenPromises } from './promised-assertions.ts';

test.each([
  ['as many assertions as it did not make', () => expect.assertions(2), /two assertions/],
  ['some and made none', () => expect.hasAssertions(), /at least one assertion/],
])('a test that promised %s is told so, once', (_, promise, message) => {
  promise();
  const broken = brokenPromises();
  expect(broken.map(({ message: told }) => told)).toEqual([expect.stringMatching(message)]);
  expect(brokenPromises()).toEqual([]);
});

test('a test that kept its promise is told nothing', () => {
  expect.assertions(1);
  expect(1).toBe(1);
  expect(brokenPromises()).toEqual([]);
});

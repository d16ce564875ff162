import { expect, test } from '@jest/globals';
import { errorCodes } from './error-codes.ts';
import { problem } from './problem.ts';

const document = {
  type: 'about:blank',
  title: 'Not found',
  status: 404,
  code: 'group.not_found',
  detail: 'There is no such group.',
  requestId: 'r-1',
};

test('a problem document of a newer control plane, with more fields, is still read', () => {
  expect(problem.parse({ ...document, retryAfterSeconds: 3 })).toEqual(document);
});

test('a problem document without a code or a request id is refused', () => {
  expect(problem.safeParse({ ...document, code: undefined }).success).toBe(false);
  expect(problem.safeParse({ ...document, requestId: undefined }).success).toBe(false);
});

test('every error code is a noun and what became of it, in one shape', () => {
  for (const code of Object.keys(errorCodes))
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*$/);
});

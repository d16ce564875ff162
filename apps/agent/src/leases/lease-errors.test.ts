import { expect, test } from '@jest/globals';
import { AgentError } from '../agent-error.ts';
import { lendingRefusal, mayBeLent } from './lease-errors.ts';

test.each([
  ['link.reset', { retryable: true }, true],
  ['reply.unexpected', { retryable: true, status: 503 }, true],
  ['rate.limited', { retryable: true, status: 429 }, false],
  ['secret.not_lent', { retryable: false, status: 409 }, false],
] as const)(
  'a lease that is refused with %s (%j) may have been granted: %s',
  (code, details, may) => {
    expect(mayBeLent(new AgentError(code, 'no', details))).toBe(may);
  },
);

test('a lease that is taken too often is refused in these words, and for as long as was told', () => {
  const limited = new AgentError('rate.limited', 'no', { status: 429, retryAfterMs: 7_000 });
  expect(() => lendingRefusal(limited)).toThrow(
    expect.objectContaining({
      code: 'lease.unavailable',
      message: 'this agent takes leases more often than it may',
      retryAfterMs: 7_000,
    }),
  );
});

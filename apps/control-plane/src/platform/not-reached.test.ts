import { expect, test } from '@jest/globals';
import { notReached, REDIS } from './not-reached.ts';

test.each([
  ['WRONGPASS invalid username-password pair', 'check the user and the password in REDIS_URL'],
  ['NOAUTH Authentication required.', 'give a user and a password in REDIS_URL'],
  ["NOPERM User canary has no permissions to run the 'info' command", 'give the user of REDIS_URL'],
  ['READONLY canary', 'check REDIS_URL, and that it is running'],
])('what Redis refuses with %j is told by its first word, with the way out', (text, wayOut) => {
  const { message } = notReached(new Error(text), REDIS);
  const [code = ''] = text.split(' ');
  expect(message).toMatch(`Redis cannot be reached (${code}); ${wayOut}`);
  expect(message).not.toContain('canary');
});

import { describe, expect, test } from '@jest/globals';
import { pullReply } from './pull.ts';
import { sessionReply } from './session.ts';
import { claimedTask } from './tasks.ts';

const reply = { revision: 1, epoch: 1, tasks: [] };
const session = { accessToken: 'token', tokenType: 'DPoP' };
const task = {
  id: '01890a5d-ac96-774b-bcce-b302099a8057',
  kind: 'diagnose',
  lock: 'lock',
  attempt: 1,
};

describe('a time that the control plane tells an agent to wait by', () => {
  test.each([
    [
      'the wait before the next pull',
      (ms: number) => pullReply.safeParse({ ...reply, next: { afterMilliseconds: ms } }).success,
      { least: 0, most: 600_000 },
    ],
    [
      'the life of an access token',
      (seconds: number) =>
        sessionReply.safeParse({ ...session, expiresInSeconds: seconds }).success,
      { least: 1, most: 86_400 },
    ],
    [
      'the life of a task’s lock',
      (seconds: number) => claimedTask.safeParse({ ...task, lockSeconds: seconds }).success,
      { least: 1, most: 3_600 },
    ],
  ])('%s is within bounds that a timer can hold', (_, accepts, { least, most }) => {
    expect([least, most].map(accepts)).toEqual([true, true]);
    expect([least - 1, most + 1, 2 ** 40].map(accepts)).toEqual([false, false, false]);
  });
});

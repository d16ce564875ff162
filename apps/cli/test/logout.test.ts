import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { problemAnswer } from './operator-api.ts';
import { signIn, type SignedIn } from './signed-in.ts';

let operator: SignedIn;
beforeEach(async () => {
  operator = await signIn();
});
afterEach(async () => {
  await operator[Symbol.asyncDispose]();
});

describe('logout of a control plane that cannot be told says that the session may last there', () => {
  const mayLast = () =>
    `The session is gone from here; at ${operator.api.url} it may last until it expires.\n`;
  const refuse = () =>
    operator.api.on('DELETE /sessions/current', problemAnswer(503, 'server.unavailable'));

  test('before the reason why not', async () => {
    refuse();
    expect(await operator.cli(['logout'])).toEqual({
      code: 1,
      stdout: '',
      stderr: `${mayLast()}sallyport: It is server.unavailable. (server.unavailable, request 7f3a)\n`,
    });
    expect((await operator.cli(['logout'])).stdout).toBe('Nobody was signed in.\n');
  });

  test('also when it is out of reach', async () => {
    await operator.api[Symbol.asyncDispose]();
    const { code, stderr } = await operator.cli(['logout']);
    expect(code).toBe(5);
    expect(stderr.startsWith(mayLast())).toBe(true);
    expect(stderr).toContain('link.refused');
  });

  test('to people only: with --json there is the reason alone', async () => {
    refuse();
    const { stderr } = await operator.cli(['logout', '--json']);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'server.unavailable' } });
  });
});

test('logout of a session that the control plane had ended before says nothing of the kind', async () => {
  operator.api.on('DELETE /sessions/current', problemAnswer(401, 'session.invalid'));
  expect(await operator.cli(['logout'])).toEqual({
    code: 0,
    stdout: `Signed out of ${operator.api.url}.\n`,
    stderr: '',
  });
});

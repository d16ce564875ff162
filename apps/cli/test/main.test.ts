import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import { builtProgram } from '@sallyport/testkit/built-programs';
import { expectNoLeftovers, startProcess, type TestProcess } from '@sallyport/testkit/process';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { startOperatorApi, type OperatorApi } from './operator-api.ts';

const roles = [{ role: 'owner', group: null }];
const operator = {
  kind: 'operator',
  id: '01890a5d-ac96-774b-bcce-b302099a8057',
  name: 'owner',
  roles,
};
const password = 'canary-password';

let temp: TempDirectory;
let api: OperatorApi;
beforeEach(async () => {
  temp = await createTempDirectory();
  api = await startOperatorApi();
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await temp.remove();
});
afterAll(expectNoLeftovers);

const onLinux = process.platform === 'linux' ? test : test.skip;

function sallyport(...args: string[]): TestProcess {
  return startProcess({
    command: [process.execPath, builtProgram('cli'), ...args],
    env: { SALLYPORT_CONFIG_DIR: `${temp.path}/config`, SALLYPORT_PASSWORD: password },
  });
}

test('as a program it signs in, acts, and exits with what it found', async () => {
  const expiresAt = new Date(Date.now() + 60_000).toISOString();
  api.on('POST /sessions', { status: 201, body: { token: 'sp_session_x', expiresAt, operator } });
  api.on('GET /me', { body: { ...operator, expiresAt } });

  const login = sallyport('login', '--url', api.url, '--fingerprint', api.fingerprint);
  expect(await login.exited).toEqual({ code: 0, signal: null });
  expect(login.output()).not.toContain(password);
  expect(api.received).toMatchObject([{ body: { name: 'owner', password } }]);

  const whoami = sallyport('whoami', '--json');
  expect(await whoami.exited).toEqual({ code: 0, signal: null });
  expect(whoami.stdout).toHaveLength(1);
  expect(JSON.parse(whoami.output())).toEqual({
    url: api.url,
    name: 'owner',
    roles,
    expiresAt,
  });

  expect(await sallyport('group', 'show', 'missing').exited).toEqual({ code: 3, signal: null });
});

test('as a program it says in one line what is wrong, without a stack', async () => {
  const whoami = sallyport('whoami');
  expect(await whoami.exited).toEqual({ code: 4, signal: null });
  expect(whoami.stdout).toEqual([]);
  expect(whoami.stderr).toEqual([
    expect.stringMatching(/^sallyport: sign in first.*\(session\.required\)$/),
  ]);
});

onLinux('what cannot be written is a failure, and not an empty file that looks whole', async () => {
  const full = startProcess({
    command: [
      'sh',
      '-c',
      '"$0" "$@" > /dev/full',
      process.execPath,
      builtProgram('cli'),
      '--version',
    ],
  });
  expect(await full.exited).toEqual({ code: 1, signal: null });
  expect(full.output()).toBe('sallyport: standard output cannot be written (ENOSPC)');
});

onLinux('what cannot be told has its exit code all the same', async () => {
  const unheard = startProcess({
    command: [
      'sh',
      '-c',
      '"$0" "$@" 2> /dev/full',
      process.execPath,
      builtProgram('cli'),
      'whoami',
    ],
    env: { SALLYPORT_CONFIG_DIR: `${temp.path}/config` },
  });
  expect(await unheard.exited).toEqual({ code: 4, signal: null });
});

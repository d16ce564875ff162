import { chmod, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createClock } from '@sallyport/testkit/clock';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { makeAuthority } from '@sallyport/tls/test/authority';
import { problemAnswer, startOperatorApi, type OperatorApi } from './operator-api.ts';
import { runCli, type Given, type Outcome } from './run-cli.ts';

const expiresAt = '2030-01-01T12:00:00.000Z';
const roles = [{ role: 'owner', group: null }];
const operator = {
  kind: 'operator',
  id: '01890a5d-ac96-774b-bcce-b302099a8057',
  name: 'owner',
  roles,
};
const token = 'sp_session_canary';
const password = 'canary-password';

let temp: TempDirectory;
let api: OperatorApi;
let directory: string;
beforeEach(async () => {
  temp = await createTempDirectory();
  directory = join(temp.path, 'config');
  api = await startOperatorApi();
  api.on('POST /sessions', { status: 201, body: { token, expiresAt, operator } });
  api.on('GET /me', { body: { ...operator, expiresAt } });
  api.on('DELETE /sessions/current', { status: 204 });
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await temp.remove();
});

const cli = (args: string[], given: Partial<Given> = {}) => runCli(args, { directory, ...given });
const login = (
  given: Partial<Given> = { env: { SALLYPORT_PASSWORD: password } },
): Promise<Outcome> => cli(['login', '--url', api.url, '--fingerprint', api.fingerprint], given);

describe('signing in', () => {
  test('keeps a session that later commands use, and prints neither password nor token', async () => {
    const outcome = await login();
    expect(outcome).toEqual({
      code: 0,
      stdout: `Signed in to ${api.url} as owner (owner) until ${expiresAt}.\n`,
      stderr: '',
    });
    expect(await cli(['whoami', '--json'])).toMatchObject({ code: 0 });
    expect(api.received).toMatchObject([
      { path: '/api/v1/sessions', authorization: undefined, body: { name: 'owner', password } },
      { path: '/api/v1/me', authorization: `Bearer ${token}`, body: undefined },
    ]);
  });

  test('with --json prints one JSON value, without the token', async () => {
    const { stdout } = await cli(
      ['login', '--json', '--url', api.url, '--fingerprint', api.fingerprint],
      {
        env: { SALLYPORT_PASSWORD: password },
      },
    );
    expect(JSON.parse(stdout)).toEqual({ url: api.url, name: 'owner', roles, expiresAt });
  });

  test('keeps the session, and never the password, in a file of this user alone', async () => {
    await login();
    expect(await readdir(directory)).toEqual(['session.json']);
    expect((await stat(join(directory, 'session.json'))).mode & 0o777).toBe(0o600);
    expect(await readFile(join(directory, 'session.json'), 'utf8')).not.toContain(password);
  });

  test.each([
    ['a terminal', async () => ({ typed: `${password}\r` })],
    ['SALLYPORT_PASSWORD', async () => ({ env: { SALLYPORT_PASSWORD: password } })],
    [
      'SALLYPORT_PASSWORD, less one line end',
      async () => ({ env: { SALLYPORT_PASSWORD: `${password}\n` } }),
    ],
    [
      'SALLYPORT_PASSWORD_FILE',
      async () => ({ env: { SALLYPORT_PASSWORD_FILE: await passwordFile() } }),
    ],
  ])('takes the password from %s', async (_, given) => {
    expect(await login(await given())).toMatchObject({ code: 0 });
    expect(api.received).toMatchObject([{ body: { password } }]);
  });

  test('takes the password from --password-file, and from standard input as its -', async () => {
    const args = ['login', '--url', api.url, '--fingerprint', api.fingerprint, '--password-file'];
    expect(await cli([...args, await passwordFile()])).toMatchObject({ code: 0 });
    expect(await cli([...args, '-'], { stdin: `${password}\n` })).toMatchObject({ code: 0 });
    expect(api.received).toMatchObject([{ body: { password } }, { body: { password } }]);
  });

  test('shows nothing of a password that is typed', async () => {
    const { stdout, stderr } = await login({ typed: `${password}\r` });
    expect(stderr).toBe('Password of owner: \n');
    expect(stdout).not.toContain(password);
  });

  test('without any password is refused, and nothing is sent', async () => {
    expect(await login({})).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--password-file'),
    });
    expect(api.received).toEqual([]);
  });

  test('with both password variables is refused', async () => {
    const env = { SALLYPORT_PASSWORD: password, SALLYPORT_PASSWORD_FILE: await passwordFile() };
    expect(await login({ env })).toMatchObject({ code: 2 });
  });

  test('with a wrong password exits 4, and keeps the session that was there', async () => {
    await login();
    api.on(
      'POST /sessions',
      problemAnswer(401, 'credentials.wrong', { detail: 'The name or password is wrong.' }),
    );
    expect(await login()).toEqual({
      code: 4,
      stdout: '',
      stderr: 'sallyport: The name or password is wrong. (credentials.wrong, request 7f3a)\n',
    });
    expect(await cli(['whoami'])).toMatchObject({ code: 0 });
  });

  test('where no session can be kept is refused before the password is sent', async () => {
    await writeFile(directory, '');
    expect(await login()).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('session_file.'),
    });
    expect(api.received).toEqual([]);
  });

  async function passwordFile(): Promise<string> {
    const path = join(temp.path, 'password');
    await writeFile(path, `${password}\n`);
    return path;
  }
});

describe('the control plane that is signed in to', () => {
  const env = { SALLYPORT_PASSWORD: password };

  test('[AX-16] is trusted by the certificates of --ca-file', async () => {
    const path = join(temp.path, 'ca.pem');
    await writeFile(path, api.ca);
    expect(await cli(['login', '--url', api.url, '--ca-file', path], { env })).toMatchObject({
      code: 0,
    });
    await writeFile(path, (await makeAuthority()).ca);
    expect(await cli(['login', '--url', api.url, '--ca-file', path], { env })).toMatchObject({
      code: 5,
    });
    await writeFile(path, 'no certificate');
    expect(await cli(['login', '--url', api.url, '--ca-file', path], { env })).toMatchObject({
      code: 2,
    });
  });

  test('[AX-16] is refused under the public roots when its CA is its own', async () => {
    const outcome = await cli(['login', '--url', api.url], { env });
    expect(outcome).toMatchObject({ code: 5, stderr: expect.stringContaining('tls.unknown_ca') });
    expect(api.received).toEqual([]);
  });

  test('[AX-16] is told how to trust a control plane that was set up anew', async () => {
    await login();
    await api[Symbol.asyncDispose]();
    api = await startOperatorApi(new URL(api.url).port);
    const { code, stderr } = await cli(['group', 'list']);
    expect(code).toBe(5);
    expect(stderr).toContain('its fingerprint: sallyport login --url https://… --fingerprint');
  });

  test('[AX-16] is refused with another fingerprint, and a malformed one is told apart', async () => {
    const other = `SHA256:${'AB:'.repeat(31)}AB`;
    expect(await cli(['login', '--url', api.url, '--fingerprint', other], { env })).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('tls.fingerprint_mismatch'),
    });
    expect(await cli(['login', '--url', api.url, '--fingerprint', 'AB'], { env })).toMatchObject({
      code: 2,
    });
    expect(api.received).toEqual([]);
  });

  test.each(['--fingerprint', '--ca-file', ''])(
    '[AX-01] is refused at http://, with %s',
    async (option) => {
      const url = api.url.replace('https:', 'http:');
      const caFile = join(temp.path, 'ca.pem');
      await writeFile(caFile, api.ca);
      const trust =
        { '--fingerprint': [option, api.fingerprint], '--ca-file': [option, caFile] }[option] ?? [];
      const outcome = await cli(['login', '--url', url, ...trust], { env });
      expect(outcome).toMatchObject({ code: 2, stderr: expect.stringContaining('link.plaintext') });
      expect(api.received).toEqual([]);
    },
  );

  test('is refused with both ways of trust', async () => {
    const args = ['login', '--url', api.url, '--ca-file', 'x', '--fingerprint', api.fingerprint];
    expect(await cli(args, { env })).toMatchObject({ code: 2 });
  });

  test('is reported as out of reach when nothing listens there', async () => {
    await login();
    await api[Symbol.asyncDispose]();
    expect(await cli(['whoami'])).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('link.refused'),
    });
    api = await startOperatorApi();
  });
});

describe('a session', () => {
  test('is asked for when there is none', async () => {
    expect(await cli(['whoami'])).toEqual({
      code: 4,
      stdout: '',
      stderr:
        'sallyport: sign in first: sallyport login --url https://… --fingerprint SHA256:…, as the server printed them (session.required)\n',
    });
  });

  test('that has ended is not sent any more', async () => {
    await login();
    api.received.length = 0;
    const clock = createClock(Date.parse(expiresAt));
    expect(await cli(['whoami'], { clock })).toMatchObject({
      code: 4,
      stderr: `sallyport: the session at ${api.url} has ended; sign in again: sallyport login (session.expired)\n`,
    });
    expect(api.received).toEqual([]);
  });

  test('that the control plane ended exits 4', async () => {
    await login();
    api.on('GET /me', problemAnswer(401, 'session.invalid'));
    expect(await cli(['whoami'])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('session.invalid'),
    });
  });

  test('is gone from both sides after logout', async () => {
    await login();
    expect(await cli(['logout'])).toMatchObject({ code: 0, stdout: `Signed out of ${api.url}.\n` });
    expect(api.received.at(-1)).toMatchObject({
      method: 'DELETE',
      authorization: `Bearer ${token}`,
    });
    expect(await readdir(directory)).toEqual([]);
    expect(await cli(['logout', '--json'])).toMatchObject({
      code: 0,
      stdout: '{"signedOut":false}\n',
    });
  });

  test('is gone from here also when the control plane ended it before', async () => {
    await login();
    api.on('DELETE /sessions/current', problemAnswer(401, 'session.invalid'));
    expect(await cli(['logout'])).toMatchObject({ code: 0 });
    expect(await readdir(directory)).toEqual([]);
  });

  test('is gone from here, and the failure is told, when the control plane cannot be told', async () => {
    await login();
    api.on('DELETE /sessions/current', problemAnswer(503, 'server.unavailable'));
    expect(await cli(['logout'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('server.unavailable'),
    });
    expect(await readdir(directory)).toEqual([]);
  });

  test.each([
    ['damaged', (path: string) => writeFile(path, '{"token":'), 'session_file.unusable'],
    ['open to others', (path: string) => chmod(path, 0o644), 'session_file.unsafe'],
  ])(
    'whose file is %s is gone from here after logout, and the failure is told',
    async (_, harm, code) => {
      await login();
      await harm(join(directory, 'session.json'));
      api.received.length = 0;
      expect(await cli(['logout'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(code),
      });
      expect(await readdir(directory)).toEqual([]);
      expect(api.received).toEqual([]);
    },
  );
});

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { SessionFile } from '../src/session-file.ts';
import { problemAnswer } from './operator-api.ts';
import { signIn, type SignedIn } from './signed-in.ts';

const id = '01890a5d-ac96-774b-bcce-b302099a8057';
const at = '2030-01-01T10:00:00.000Z';
const password = 'canary-password';

let operator: SignedIn;
beforeEach(async () => {
  operator = await signIn();
});
afterEach(async () => {
  await operator[Symbol.asyncDispose]();
});

async function file(name: string, text: string): Promise<string> {
  const path = join(operator.directory, name);
  await writeFile(path, `${text}\n`);
  return path;
}

describe('one’s own sessions', () => {
  test('are listed, with the one that asks', async () => {
    const times = { createdAt: at, lastUsedAt: at, expiresAt: at };
    const items = [{ id, address: '192.0.2.7', ...times, current: true }];
    operator.api.on('GET /sessions', { body: { items } });
    const { code, stdout } = await operator.cli(['sessions', 'list']);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`${id}\\s+192\\.0\\.2\\.7\\s+${at}\\s+${at}\\s+this one`));
  });

  test('end one by one; an id that is none is refused before anything is sent', async () => {
    operator.api.on(`DELETE /sessions/${id}`, { status: 204 });
    expect(await operator.cli(['sessions', 'end', id])).toMatchObject({ code: 0 });
    expect(await operator.cli(['sessions', 'end', 'x'])).toMatchObject({ code: 2 });
    expect(operator.api.received).toHaveLength(1);
  });

  test('end all at once, and the one that was kept here is gone', async () => {
    operator.api.on('DELETE /sessions', { status: 204 });
    expect(await operator.cli(['sessions', 'end-all'])).toMatchObject({ code: 0 });
    expect(await new SessionFile(operator.directory).read()).toBeUndefined();
  });
});

describe('one’s own password', () => {
  test('is changed, and neither is printed', async () => {
    operator.api.on('POST /me/password', { status: 204 });
    const given = ['--current-file', await file('current', password), '--new-file', '-'];
    const outcome = await operator.cli(['password', ...given], { stdin: 'a new long password\n' });
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(operator.api.received).toMatchObject([
      { body: { current: password, new: 'a new long password' } },
    ]);
    expect(outcome.stdout).not.toMatch(/canary|a new long/);
  });

  test('that is too short is refused before it is sent', async () => {
    const given = ['--current-file', await file('current', password), '--new-file', '-'];
    const outcome = await operator.cli(['password', ...given], { stdin: 'short' });
    expect(outcome).toMatchObject({ code: 2, stderr: expect.stringContaining('12 characters') });
    expect(operator.api.received).toEqual([]);
  });

  test('that is the present one is refused before it is sent', async () => {
    const given = ['--current-file', await file('current', password), '--new-file', '-'];
    const outcome = await operator.cli(['password', ...given], { stdin: `${password}\n` });
    expect(outcome).toMatchObject({
      code: 2,
      stderr: 'sallyport: the new password: use another than the present one (usage.invalid)\n',
    });
    expect(operator.api.received).toEqual([]);
  });

  test.each([
    ['the same twice is sent', 'a new long password', 0, 1],
    ['a slip the second time changes nothing', 'a new lomg password', 2, 0],
  ])('is typed twice at a terminal: %s', async (_, again, code, sent) => {
    operator.api.on('POST /me/password', { status: 204 });
    const typed = [password, 'a new long password', again].map((line) => `${line}\n`);
    const outcome = await operator.cli(['password'], { typed });
    expect(outcome.code).toBe(code);
    expect(outcome.stdout + outcome.stderr).not.toMatch(/canary|a new lo/);
    expect(operator.api.received).toHaveLength(sent);
  });

  test.each([
    ['the present', []],
    ['the new', [`${password}\n`]],
    ['the repeated', [`${password}\n`, 'a new long password\n']],
  ])('is left as it is by Ctrl-C at the prompt for %s one, which exits 130', async (_, before) => {
    const outcome = await operator.cli(['password'], { typed: [...before, '\u0003'] });
    expect(outcome).toMatchObject({ code: 130, stdout: '' });
    expect(operator.api.received).toEqual([]);
  });

  test('is not asked of nobody', async () => {
    expect(await operator.cli(['password'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--current-file'),
    });
  });
});

describe('the second factor', () => {
  test('is made, and its secret shown', async () => {
    const made = { secret: 'GEZDGNBV', uri: 'otpauth://totp/Sallyport:owner?secret=GEZDGNBV' };
    operator.api.on('POST /me/totp', { status: 201, body: made });
    const given = ['--password-file', '-'];
    const { code, stdout } = await operator.cli(['totp', 'enable', ...given], {
      stdin: `${password}\n`,
    });
    expect(code).toBe(0);
    expect(operator.api.received).toMatchObject([{ body: { password } }]);
    expect(stdout).toContain(made.secret);
    expect(stdout).toContain(made.uri);
  });

  test('is confirmed with a code that is typed, also in two halves; what is none is not sent', async () => {
    operator.api.on('POST /me/totp/confirm', { status: 204 });
    const confirm = (typed: string) => operator.cli(['totp', 'confirm'], { typed });
    expect(await confirm('123 456\r')).toMatchObject({ code: 0 });
    expect(await confirm('12345\r')).toMatchObject({ code: 2 });
    expect(operator.api.received).toMatchObject([{ body: { code: '123456' } }]);
  });

  test('is removed with the password and a code', async () => {
    operator.api.on('DELETE /me/totp', { status: 204 });
    const given = ['--password-file', await file('password', password), '--code-file', '-'];
    const outcome = await operator.cli(['totp', 'disable', ...given], { stdin: '123456\n' });
    expect(outcome).toMatchObject({ code: 0 });
    expect(operator.api.received).toMatchObject([{ body: { password, code: '123456' } }]);
  });

  test('of another is reset by an owner', async () => {
    operator.api.on('DELETE /operators/alice/totp', { status: 204 });
    expect(await operator.cli(['operator', 'reset-totp', 'alice'])).toMatchObject({ code: 0 });
    const refused = problemAnswer(403, 'permission.denied');
    operator.api.on('DELETE /operators/alice/totp', refused);
    expect(await operator.cli(['operator', 'reset-totp', 'alice'])).toMatchObject({ code: 1 });
  });

  test('is asked for at sign-in when the control plane asks for it, and not before', async () => {
    const roles = [{ role: 'owner', group: null }];
    const body = {
      token: 'sp_session_canary',
      expiresAt: at,
      operator: { kind: 'operator', id, name: 'owner', roles },
    };
    const { url, fingerprint } = operator.api;
    const login = ['login', '--url', url, '--fingerprint', fingerprint];
    const env = { SALLYPORT_PASSWORD: password };
    const required = problemAnswer(401, 'totp.required');
    operator.api.on('POST /sessions', required, { status: 201, body });
    expect(await operator.cli(login, { env, typed: '123456\r' })).toMatchObject({ code: 0 });
    const signIns = operator.api.received.map((request) => request.body);
    expect(signIns).toEqual([
      { name: 'owner', password },
      { name: 'owner', password, totp: '123456' },
    ]);
    operator.api.on('POST /sessions', required);
    expect(await operator.cli(login, { env })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--code-file'),
    });
  });
});

test('[AX-18] whoever has signed in signs in again without a word about where, until they sign out', async () => {
  const { api, cli, directory } = operator;
  const env = { SALLYPORT_PASSWORD: password };
  const caller = { kind: 'operator', id, name: 'owner', roles: [] };
  const body = { token: 'sp_session_next', expiresAt: at, operator: caller };
  api.on('POST /sessions', { status: 201, body });
  expect(await cli(['login'], { env })).toMatchObject({ code: 0 });
  expect(await new SessionFile(directory).read()).toEqual({
    url: api.url,
    ca: api.ca,
    token: 'sp_session_next',
    expiresAt: at,
  });
  const unknown = {
    code: 2,
    stderr: expect.stringContaining('give --url https://… and --fingerprint'),
  };
  // Another fingerprint is of another place.
  const fingerprint = ['--fingerprint', api.fingerprint];
  expect(await cli(['login', ...fingerprint], { env })).toMatchObject(unknown);
  api.on('DELETE /sessions/current', { status: 204 });
  await cli(['logout']);
  expect(await cli(['login'], { env })).toMatchObject(unknown);
});

import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { owner, startOperatorApi, type OperatorApi } from './operator-api.ts';
import { runCli } from './run-cli.ts';

const expiresAt = '2030-01-01T12:00:00.000Z';

let temp: TempDirectory;
/** A control plane that stopped at TLS 1.2. */
let api: OperatorApi;
beforeEach(async () => {
  temp = await createTempDirectory();
  api = await startOperatorApi('0', { maxVersion: 'TLSv1.2' });
  const body = { token: 'sp_session_canary', expiresAt, operator: owner };
  api.on('POST /sessions', { status: 201, body });
  api.on('GET /me', { body: { ...owner, expiresAt } });
  api.on('DELETE /sessions/current', { status: 204 });
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await temp.remove();
});

function cli(args: readonly string[], variables: Record<string, string> = {}) {
  const env = { SALLYPORT_PASSWORD: 'canary-password', ...variables };
  return runCli(args, { directory: join(temp.path, 'config'), env });
}
const login = (variables: Record<string, string> = {}) =>
  cli(['login', '--url', api.url, '--fingerprint', api.fingerprint], variables);

const NEWEST = { SALLYPORT_TLS_MIN_VERSION: 'TLS1.3' };

test.each(['login', 'whoami', 'logout'])(
  '[AX-03] `%s` connects to no control plane below the oldest version that is set',
  async (command) => {
    expect(await login()).toMatchObject({ code: 0, stderr: '' });
    api.received.length = 0;
    const refused = command === 'login' ? await login(NEWEST) : await cli([command], NEWEST);
    expect(refused.code).toBe(5);
    expect(refused.stderr).toMatch(/ shares no TLS version .*\(tls\.version\)\n$/);
    expect(api.received).toEqual([]);
  },
);

test('[AX-09] [AX-10] it offers the suites and the groups that are set alone, and tells of weak ones', async () => {
  const weak = 'TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA';
  await api[Symbol.asyncDispose]();
  api = await startOperatorApi('0', {
    maxVersion: 'TLSv1.2',
    ciphers: 'ECDHE-ECDSA-AES256-SHA',
    ecdhCurve: 'P-384',
  });
  api.on('POST /sessions', {
    status: 201,
    body: { token: 'sp_session_x', expiresAt, operator: owner },
  });
  expect((await login()).code).toBe(5);
  const named = { SALLYPORT_TLS_CIPHER_SUITES: weak };
  expect((await login({ ...named, SALLYPORT_TLS_GROUPS: 'P-256' })).code).toBe(5);
  expect(await login({ ...named, SALLYPORT_TLS_GROUPS: 'P-256,P-384' })).toMatchObject({
    code: 0,
    stderr: expect.stringMatching(/^Warning: tls\.cipherSuites: weak suites are allowed/),
  });
});

test('[AX-06] what cannot be set is refused by its variable before anything is sent, and the session is kept', async () => {
  await login();
  api.received.length = 0;
  const wrong = { SALLYPORT_TLS_MIN_VERSION: 'canary', SALLYPORT_TLS_GRUOPS: 'P-256' };
  for (const command of ['whoami', 'logout']) {
    const { code, stderr } = await cli([command], wrong);
    expect(code).toBe(2);
    expect(stderr).toMatch(/tls\.minVersion \(SALLYPORT_TLS_MIN_VERSION\): .*TLS1\.3/);
    expect(stderr).toMatch(/SALLYPORT_TLS_GRUOPS: unknown variable.*SALLYPORT_TLS_GROUPS/);
    expect(stderr).not.toContain('canary');
  }
  expect(api.received).toEqual([]);
  expect((await cli(['--help'], wrong)).code).toBe(0);
  expect((await cli(['whoami'])).code).toBe(0);
});

import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { startHttpProxy, startSocks5Proxy, type TestProxy } from '@sallyport/tls/test/proxies';
import { ELSEWHERE, owner, startOperatorApi, type OperatorApi } from './operator-api.ts';
import { runCli } from './run-cli.ts';

const expiresAt = '2030-01-01T12:00:00.000Z';
const credentials = 'operator:canary-of-the-proxy';
const hosts = { [ELSEWHERE]: '127.0.0.1' };

let temp: TempDirectory;
let api: OperatorApi;
let proxy: TestProxy;
beforeEach(async () => {
  temp = await createTempDirectory();
  api = await startOperatorApi();
  proxy = await startHttpProxy({ hosts, credentials });
  const body = { token: 'sp_session_canary', expiresAt, operator: owner };
  api.on('POST /sessions', { status: 201, body });
  api.on('GET /me', { body: { ...owner, expiresAt } });
});
afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
  await api[Symbol.asyncDispose]();
  await temp.remove();
});

function cli(args: readonly string[], variables: Record<string, string>) {
  const env = { SALLYPORT_PASSWORD: 'canary-password', ...variables };
  return runCli(args, { directory: join(temp.path, 'config'), env });
}
const elsewhere = () => api.url.replace('127.0.0.1', ELSEWHERE);
const login = (variables: Record<string, string>, url = elsewhere()) =>
  cli(['login', '--url', url, '--fingerprint', api.fingerprint], variables);

describe('[F-22] a control plane that only a proxy leads to', () => {
  test('is signed in to, and used, through that of HTTPS_PROXY', async () => {
    const variables = { HTTPS_PROXY: `127.0.0.1:${proxy.port}` };
    expect(await login(variables)).toMatchObject({
      code: 5,
      stderr: `sallyport: The proxy http://127.0.0.1:${proxy.port} asks for a user name and password; put them in HTTPS_PROXY, as user:password@ before its host. (proxy.auth_required)\n`,
    });
    variables.HTTPS_PROXY = `http://${credentials}@${variables.HTTPS_PROXY}`;
    expect(await login(variables)).toMatchObject({ code: 0, stderr: '' });
    expect(await cli(['whoami'], variables)).toMatchObject({ code: 0, stderr: '' });
    expect(new Set(proxy.destinations)).toEqual(new Set([new URL(elsewhere()).host]));
    expect(api.received.map(({ path }) => path)).toEqual(['/api/v1/sessions', '/api/v1/me']);
  });

  test('is signed in to through a SOCKS5 proxy too', async () => {
    await using socks = await startSocks5Proxy({ hosts });
    expect((await login({ https_proxy: `socks5h://127.0.0.1:${socks.port}` })).code).toBe(0);
    expect(socks.tunnels()).toBeGreaterThan(0);
  });

  test.each([
    ['refuses the password', (port: number) => `operator:canary-wrong@127.0.0.1:${port}`, 5],
    ['is none that can be', () => 'canary://operator:canary@127.0.0.1', 2],
    ['has half a password', () => 'operator:canary%@127.0.0.1', 2],
  ])('is out of reach where the proxy %s, which is told by its variable', async (_, url, code) => {
    const refused = await login({ HTTPS_PROXY: url(proxy.port) });
    expect(refused).toMatchObject({ code, stderr: expect.stringContaining('HTTPS_PROXY') });
    expect(refused.stderr).toMatch(/\(proxy\.(auth_required|bad_url)\)\n$/);
    expect(refused.stderr).not.toMatch(/canary|proxy\.url|proxy\.password/);
    expect(api.received).toEqual([]);
  });

  test('is asked of no proxy where NO_PROXY names it', async () => {
    const variables = {
      HTTPS_PROXY: `${credentials}@127.0.0.1:${proxy.port}`,
      NO_PROXY: '.example',
    };
    expect(await login(variables)).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('(link.dns)'),
    });
    expect(proxy.destinations).toEqual([]);
  });

  test('is reached without one at a loopback address', async () => {
    const variables = { HTTPS_PROXY: `${credentials}@127.0.0.1:${proxy.port}` };
    expect((await login(variables, api.url)).code).toBe(0);
    expect(proxy.destinations).toEqual([]);
  });
});

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Secret } from '@sallyport/config/secret';
import {
  startHttpProxy,
  startSocks5Proxy,
  type ProxyOptions,
  type TestProxy,
} from '@sallyport/tls/test/proxies';
import { readAgentConfig } from '../src/config.ts';
import type { ControlPlaneDouble } from './control-plane-double.ts';
import { startDaemon, until } from './harness.ts';
import { HOST, HostBehindProxy } from './host-behind-proxy.ts';
import type { NewHost } from './new-host.ts';

const hosts = { [HOST]: '127.0.0.1' };

let site: HostBehindProxy;
let double: ControlPlaneDouble;
let host: NewHost;
let caFile: string;
let open: AsyncDisposable[];

beforeEach(async () => {
  site = await HostBehindProxy.create();
  ({ double, host, caFile, open } = site);
});

afterEach(() => site[Symbol.asyncDispose]());

type Kind = 'http' | 'https' | 'socks5h';

async function startProxy(kind: Kind, options: ProxyOptions = {}): Promise<TestProxy> {
  const given = { hosts, ...options };
  if (kind === 'socks5h') return startSocks5Proxy(given);
  return startHttpProxy(given, kind === 'https' ? await site.proxyAuthority.issue() : undefined);
}

const portOf = (url: string) => new URL(url).port;
const destination = () => `${HOST}:${portOf(double.url)}`;

test('[AX-14][AT-38] without a proxy the control plane of these tests cannot be enrolled with', async () => {
  const { code, stderr } = await site.enroll({});
  expect(code).toBe(1);
  expect(stderr).toMatch(/^sallyport-agent: [^\n]*cp\.invalid[^\n]*does not resolve[^\n]*\n$/);
  expect(double.received).toEqual([]);
});

describe.each<Kind>(['http', 'https', 'socks5h'])('through a proxy of %s', (kind) => {
  test('[AX-14][AX-15][AT-37] the agent enrols and pulls, and nothing else is asked for', async () => {
    const proxy = await startProxy(kind, { allowed: [destination()] });
    open.push(proxy);
    const url = `${kind}://127.0.0.1:${proxy.port}`;
    expect((await site.enroll({ SALLYPORT_AGENT_PROXY_URL: url })).code).toBe(0);
    const daemon = await site.run({ url: new Secret(url) });
    await daemon.untilSecret('db/password', 'first');
    await until(() => double.waitingPulls === 1);
    double.putSecret('db/password', 'second');
    await daemon.untilSecret('db/password', 'second');
    expect(new Set(proxy.destinations)).toEqual(new Set([destination()]));
    expect(proxy.sent().includes('Bearer')).toBe(false);
  });

  test('[AX-18] its password comes from a file, and is in no log, state or error', async () => {
    const proxy = await startProxy(kind, { credentials: 'agent:canary-password' });
    open.push(proxy);
    const file = join(host.home.path, 'proxy-password');
    await writeFile(file, 'canary-password\n', { mode: 0o600 });
    const url = `${kind}://agent@127.0.0.1:${proxy.port}`;
    const given = { SALLYPORT_AGENT_PROXY_URL: url, SALLYPORT_AGENT_PROXY_PASSWORD_FILE: file };
    const { code, stdout, stderr } = await site.enroll(given);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const password = new Secret('canary-password');
    const daemon = await site.run({ url: new Secret(url), password });
    await daemon.untilSecret('db/password', 'first');
    const plain = daemon.log.filter(({ message }) => message.includes('unencrypted'));
    expect(plain).toHaveLength(kind === 'https' ? 0 : 1);
    const identity = await readFile(join(host.stateDir, 'identity.json'), 'utf8');
    expect(stdout + JSON.stringify(daemon.log) + identity).not.toContain('canary-password');
  });

  test('[AX-18] a wrong password enrols nobody, and the reason names the setting and not the value', async () => {
    const proxy = await startProxy(kind, { credentials: 'agent:right' });
    open.push(proxy);
    const url = `${kind}://agent:canary@127.0.0.1:${proxy.port}`;
    const { code, stderr } = await site.enroll({ SALLYPORT_AGENT_PROXY_URL: url });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^sallyport-agent: [^\n]*proxy\.password[^\n]*\n$/);
    expect(stderr).not.toContain('canary');
    expect(double.received).toEqual([]);
  });

  test('[F-22] that dies in the middle of a pull, the agent says so, serves on, and recovers by itself', async () => {
    const first = await startProxy(kind);
    const url = `${kind}://127.0.0.1:${first.port}`;
    expect((await site.enroll({ SALLYPORT_AGENT_PROXY_URL: url })).code).toBe(0);
    const daemon = await site.run({ url: new Secret(url) });
    await daemon.untilSecret('db/password', 'first');
    await until(() => double.waitingPulls === 1);
    await first[Symbol.asyncDispose]();
    double.putSecret('db/password', 'second');
    const stale = await daemon.untilHealth(
      ({ controlPlane }) => controlPlane.lastError?.code === 'proxy.refused',
    );
    expect(stale.status).toBe('stale');
    expect(await daemon.secret('db/password')).toBe('first');
    open.unshift(await startProxy(kind, { port: first.port }));
    await daemon.untilSecret('db/password', 'second');
    await daemon.untilHealth(({ status }) => status === 'ready');
  });
});

test('[AX-18] a proxy that begins to ask for a password is reported, and asked again within a minute', async () => {
  const first = await startProxy('http');
  const url = `http://127.0.0.1:${first.port}`;
  expect((await site.enroll({ SALLYPORT_AGENT_PROXY_URL: url })).code).toBe(0);
  const daemon = await site.run({ url: new Secret(url) });
  await daemon.untilSecret('db/password', 'first');
  await first[Symbol.asyncDispose]();
  open.unshift(await startProxy('http', { port: first.port, credentials: 'agent:password' }));
  const report = await daemon.untilHealth(
    ({ controlPlane }) => controlPlane.lastError?.code === 'proxy.auth_required',
  );
  expect(report).toMatchObject({ status: 'stale', controlPlane: { state: 'unreachable' } });
  const { delayMs } = await until(() =>
    daemon.log.find(({ code }) => code === 'proxy.auth_required'),
  );
  expect(delayMs).toBeGreaterThanOrEqual(30_000);
  expect(delayMs).toBeLessThanOrEqual(60_000);
});

describe('[AT-39] an address that is set for the control plane', () => {
  const pinned = { SALLYPORT_AGENT_CONTROL_PLANE_ADDRESS: '127.0.0.1' };

  test('stands in for DNS, at enrolment and after it', async () => {
    expect((await site.enroll(pinned)).code).toBe(0);
    const socket = join(host.home.path, 'agent.sock');
    const { controlPlane } = readAgentConfig({}, pinned).config;
    const daemon = await startDaemon({ stateDir: host.stateDir, socket, controlPlane });
    open.push(daemon);
    await daemon.untilSecret('db/password', 'first');
  });

  test('does not make up for a certificate of another name', async () => {
    double.host = 'other.invalid';
    const { code, stderr } = await site.enroll(pinned);
    expect(code).toBe(1);
    expect(stderr).toMatch(/certificate for other names/);
    expect(double.received).toEqual([]);
  });
});

test('[AX-03] TLS to an https:// proxy keeps to the policy of the link through it', async () => {
  const identity = await site.proxyAuthority.issue();
  const old = await startHttpProxy({ hosts }, { ...identity, maxVersion: 'TLSv1.2' });
  open.push(old);
  const proxy = { SALLYPORT_AGENT_PROXY_URL: `https://127.0.0.1:${old.port}` };
  const newest = { SALLYPORT_AGENT_CONTROL_PLANE_TLS_MIN_VERSION: 'TLS1.3' };
  const { code, stderr } = await site.enroll({ ...proxy, ...newest });
  expect(code).toBe(1);
  expect(stderr).toMatch(/The proxy [^\n]* shares no TLS version/);
  expect(old.destinations).toEqual([]);
  expect((await site.enroll(proxy)).code).toBe(0);
});

test('HTTPS_PROXY is used where the agent is not told of a proxy, and NO_PROXY exempts from it', async () => {
  const proxy = await startProxy('http');
  open.push(proxy);
  const variables = { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` };
  expect((await site.enroll({ ...variables, NO_PROXY: '.invalid' })).code).toBe(1);
  expect(proxy.destinations).toEqual([]);
  expect((await site.enroll(variables)).code).toBe(0);
  expect(new Set(proxy.destinations)).toEqual(new Set([destination()]));
});

test.each([
  ['cannot be read', ''],
  ['is one of several, of which another is damaged', '\n-----BEGIN CERTIFICATE-----\ncanary'],
])('a CA of the proxy that %s ends the command before anything is sent', async (_, damaged) => {
  const proxy = await startProxy('https');
  open.push(proxy);
  await writeFile(
    caFile,
    damaged === '' ? 'canary' : `${await readFile(caFile, 'utf8')}${damaged}`,
  );
  const url = `https://127.0.0.1:${proxy.port}`;
  const { code, stderr } = await site.enroll({ SALLYPORT_AGENT_PROXY_URL: url });
  expect(code).toBe(2);
  expect(stderr).toContain('the file of proxy.ca');
  expect(stderr).not.toContain('canary');
  expect(proxy.destinations).toEqual([]);
});

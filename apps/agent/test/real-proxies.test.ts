import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Secret } from '@sallyport/config/secret';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { expectNoLeftovers } from '@sallyport/testkit/process';
import {
  proxyUser,
  startProxyProgram,
  whyWithout,
  type ProxyProgram,
  type ProxyProgramOptions,
  type RunningProxy,
} from '@sallyport/testkit/proxy-program';
import { HttpsLink, LinkError } from '@sallyport/tls/https-link';
import { parseProxy } from '@sallyport/tls/proxy/proxy';
import type { ControlPlaneDouble } from './control-plane-double.ts';
import { until, type TestDaemon } from './harness.ts';
import { HOST, HostBehindProxy } from './host-behind-proxy.ts';

/** A name that they let through, and do not resolve. */
const UNKNOWN = 'unknown.invalid';
/** For how long the double holds a pull back, unless the tunnel breaks before. */
const HELD_MS = 3_000;

let site: HostBehindProxy;
let double: ControlPlaneDouble;

beforeEach(async () => {
  site = await HostBehindProxy.create();
  double = site.double;
});

afterEach(() => site[Symbol.asyncDispose]());

afterAll(expectNoLeftovers);

type Kind = 'http' | 'https' | 'socks5h';

async function start(
  program: ProxyProgram,
  kind: Kind,
  given: Partial<ProxyProgramOptions> = {},
): Promise<RunningProxy> {
  const port = Number(new URL(double.url).port);
  const proxy = await startProxyProgram(program, {
    hosts: { [HOST]: '127.0.0.1', 'elsewhere.invalid': '127.0.0.2' },
    allowed: [HOST, UNKNOWN].map((allowed) => ({ host: allowed, port })),
    ...(kind === 'https' ? { identity: await site.proxyAuthority.issue() } : {}),
    ...given,
  });
  site.open.push(proxy);
  return proxy;
}

const withPassword = (password: string) => `${proxyUser.name}:${password}@`;

/** The agent's link, and the failure of a request over it: undefined where there was a reply. */
async function failureThrough(url: string, to = double.url): Promise<LinkError | undefined> {
  const proxy = parseProxy(url, { ca: site.proxyAuthority.ca });
  const link = new HttpsLink({ baseUrl: to, ca: double.ca, route: { proxy } });
  try {
    await link.request('GET', '/');
    return undefined;
  } catch (error) {
    if (error instanceof LinkError) return error;
    throw error;
  } finally {
    link.close();
  }
}

async function enrolAndRun(url: string): Promise<TestDaemon> {
  const enrolled = await site.enroll({ SALLYPORT_AGENT_PROXY_URL: url });
  expect(enrolled).toMatchObject({ code: 0, stderr: '' });
  const daemon = await site.run({ url: new Secret(url) });
  await daemon.untilSecret('db/password', 'first');
  await until(() => double.waitingPulls === 1);
  return daemon;
}

const legs: readonly [ProxyProgram, Kind][] = [
  ['tinyproxy', 'http'],
  ['squid', 'http'],
  ['squid', 'https'],
  ['danted', 'socks5h'],
];

for (const [program, kind] of legs) {
  const why = whyWithout(program, kind === 'https');
  const title = titleOrLeftOut(`through ${program} by ${kind}`, why);
  (why === undefined ? describe : describe.skip)(title, () => {
    test('[AX-14][AX-15][AT-37] the agent enrols and pulls where one host and port are allowed, and a pull is held over a kept tunnel', async () => {
      double.longestWaitMs = HELD_MS;
      const { port } = await start(program, kind);
      const daemon = await enrolAndRun(`${kind}://127.0.0.1:${port}`);
      // Over a connection of its own, as the other one waits.
      await until(() => double.reports.length > 0);
      const handshakes = double.handshakes.length;
      const pulls = double.requestsTo('/agent/v1/pull').length;
      await until(() => double.requestsTo('/agent/v1/pull').length > pulls);
      double.putSecret('db/password', 'second');
      await daemon.untilSecret('db/password', 'second');
      expect(double.handshakes).toHaveLength(handshakes);
      expect(daemon.log.filter(({ level }) => level === 'error')).toEqual([]);
    });

    test('[AX-18] a user name and password that are right let the link through, wrong ones and none are named', async () => {
      const { port } = await start(program, kind, { asksForPassword: true });
      const at = `127.0.0.1:${port}`;
      expect(await failureThrough(`${kind}://${withPassword(proxyUser.password)}${at}`)).toBe(
        undefined,
      );
      for (const credentials of [withPassword('wrong'), '']) {
        const failure = await failureThrough(`${kind}://${credentials}${at}`);
        expect(failure).toMatchObject({ code: 'proxy.auth_required', retryable: false });
      }
      expect(double.received).toHaveLength(1);
    });

    test('[AX-15] a destination that it forbids is a named error, and so is another port', async () => {
      const { port } = await start(program, kind);
      const url = `${kind}://127.0.0.1:${port}`;
      const there = new URL(double.url).port;
      for (const to of [`https://elsewhere.invalid:${there}`, `https://${HOST}:${port}`]) {
        const failure = await failureThrough(url, to);
        expect(failure).toMatchObject({ code: 'proxy.denied', retryable: false });
        expect(failure?.message).toContain(to.slice('https://'.length));
      }
      expect(await failureThrough(url)).toBe(undefined);
    });

    test('[AT-38] a name that it cannot resolve is a named error that may pass', async () => {
      const { port } = await start(program, kind);
      const to = `https://${UNKNOWN}:${new URL(double.url).port}`;
      const failure = await failureThrough(`${kind}://127.0.0.1:${port}`, to);
      expect(failure).toMatchObject({
        code: expect.stringMatching(/^proxy\.host_un(resolved|reachable)$/),
        retryable: true,
      });
      expect(failure?.message).toContain(UNKNOWN);
    });

    test('[F-22] that is killed in the middle of a pull, the agent says so, serves on, and recovers by itself', async () => {
      const first = await start(program, kind);
      const daemon = await enrolAndRun(`${kind}://127.0.0.1:${first.port}`);
      first.process.kill('SIGKILL');
      await first.process.exited;
      double.putSecret('db/password', 'second');
      const report = await daemon.untilHealth(
        ({ controlPlane }) => controlPlane.lastError?.code === 'proxy.refused',
      );
      expect(report.status).toBe('stale');
      expect(await daemon.secret('db/password')).toBe('first');
      await start(program, kind, { port: first.port });
      await daemon.untilSecret('db/password', 'second');
      await daemon.untilHealth(({ status }) => status === 'ready');
    });

    if (kind !== 'https') return;

    test('[AT-34] whose certificate no trusted CA issued is a named error, and nothing reaches the control plane', async () => {
      const { port } = await start(program, kind, { identity: await double.tlsAuthority.issue() });
      const failure = await failureThrough(`https://127.0.0.1:${port}`);
      expect(failure).toMatchObject({ code: 'proxy.unknown_ca', retryable: false });
      expect(failure?.message).toContain('proxy.ca');
      expect(double.handshakes).toEqual([]);
    });

    test('[AT-34] that is spoken to without TLS hangs up, which is a named error', async () => {
      const { port } = await start(program, kind);
      const failure = await failureThrough(`http://127.0.0.1:${port}`);
      expect(failure?.code).toBe('proxy.reset');
      expect(double.handshakes).toEqual([]);
    });
  });
}

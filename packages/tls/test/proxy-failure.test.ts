import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { HttpsLink } from '../src/https-link.ts';
import { fetchPinnedCa } from '../src/pin.ts';
import { parseProxy } from '../src/proxy/proxy.ts';
import { linkErrorOf, startTcpServer, type TcpServer } from './server.ts';

const open: AsyncDisposable[] = [];

afterEach(async () => {
  for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

/** Something at the place of a proxy that does `behave` to each connection. */
async function startOddProxy(behave: (socket: Socket) => void): Promise<TcpServer> {
  const server = await startTcpServer(behave);
  open.push(server);
  return server;
}

/** Time enough for any machine. */
const PATIENCE_MS = 60_000;

function linkThrough(url: string, connectTimeoutMs = PATIENCE_MS): HttpsLink {
  const link = new HttpsLink({
    baseUrl: 'https://cp.invalid:9443',
    route: { proxy: parseProxy(url) },
    connectTimeoutMs,
    timeoutMs: PATIENCE_MS,
  });
  open.push({ [Symbol.asyncDispose]: async () => link.close() });
  return link;
}

async function failureThrough(
  scheme: string,
  behave: (socket: Socket) => void,
  connectTimeoutMs?: number,
) {
  const { port } = await startOddProxy(behave);
  const link = linkThrough(`${scheme}://127.0.0.1:${port}`, connectTimeoutMs);
  return linkErrorOf(link.request('GET', '/'));
}

/** Answers whatever comes first. */
const answering = (reply: string | Buffer) => (socket: Socket) =>
  void socket.once('data', () => socket.write(reply));

test.each(['http', 'https', 'socks5h'])(
  'a proxy of %s that says nothing is given up in the time for connecting',
  async (scheme) => {
    const failure = await failureThrough(scheme, (socket) => socket.resume(), 100);
    expect(failure).toMatchObject({ code: 'proxy.timeout', retryable: true });
    expect(failure.message).toContain('within 100 ms');
  },
);

test.each([
  ['http', 'HTTP/1.1 200 OK\r\nX-'],
  ['socks5h', Buffer.from([5])],
])('a proxy of %s that stops in the middle of its reply is given up', async (scheme, reply) => {
  expect((await failureThrough(scheme, answering(reply), 100)).code).toBe('proxy.timeout');
});

test.each([200, 299])(
  'a tunnel opened with %i whose other end says nothing is given up as the peer’s failure',
  async (status) => {
    const reply = answering(`HTTP/1.1 ${status} OK\r\n\r\n`);
    const failure = await failureThrough('http', reply, 100);
    expect(failure).toMatchObject({ code: 'link.timeout', retryable: true });
  },
);

test('a proxy for which no user name is set is sent none', async () => {
  let asked = '';
  await failureThrough('http', (socket) =>
    socket.once('data', (chunk) => {
      asked = chunk.toString();
      socket.destroy();
    }),
  );
  expect(asked).toMatch(/^CONNECT cp\.invalid:9443 HTTP/);
  expect(asked).not.toMatch(/authorization/i);
});

test.each(['http', 'socks5h'])(
  'a proxy of %s that hangs up is a named error that may pass',
  async (scheme) => {
    const failure = await failureThrough(scheme, (socket) =>
      socket.once('data', () => socket.destroy()),
    );
    expect(failure).toMatchObject({ code: 'proxy.reset', retryable: true });
  },
);

test.each([
  ['http', 'canary\r\n\r\n'],
  ['http', 'HTTP/1.1 200 OK\r\n\r\ncanary'],
  ['http', 'HTTP/1.1 200 OK\r\n\r\n\n'],
  ['http', `HTTP/1.1 200 OK\r\nX-Canary: ${'x'.repeat(9000)}\r\n\r\n`],
  ['https', 'canary\r\n\r\n'],
  ['socks5h', 'canary'],
  ['socks5h', Buffer.from([5, 0, 5, 99, 0, 1, 0])],
])('what is no proxy of %s is named without its words (%#)', async (scheme, reply) => {
  const failure = await failureThrough(scheme, answering(reply));
  expect(failure.code).toBe(scheme === 'https' ? 'proxy.handshake' : 'proxy.protocol');
  expect(failure.retryable).toBe(false);
  expect(failure.cause).toBeUndefined();
  expect(failure.message).not.toContain('canary');
  expect(failure.message).toContain(`${scheme}://127.0.0.1:`);
});

test('a reply header that never ends is cut off', async () => {
  const closed = Promise.withResolvers<void>();
  const failure = await failureThrough('http', (socket) => {
    socket.on('close', closed.resolve);
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\n');
      const more = () => {
        while (!socket.destroyed && socket.write(`X-A: ${'a'.repeat(500)}\r\n`));
      };
      socket.on('drain', more);
      more();
    });
  });
  expect(failure.code).toBe('proxy.protocol');
  await closed.promise;
});

test.each([
  ['101 Switching Protocols', 'proxy.denied', false],
  ['300 Multiple Choices', 'proxy.denied', false],
  ['403 Forbidden', 'proxy.denied', false],
  ['408 Request Timeout', 'proxy.denied', true],
  ['400 Bad Request', 'proxy.denied', false],
  ['302 Found\r\nLocation: https://elsewhere.invalid/', 'proxy.denied', false],
  ['429 Too Many Requests', 'proxy.denied', true],
  ['501 Not Implemented', 'proxy.denied', true],
  ['500 Unable to connect', 'proxy.host_unreachable', true],
  ['502 Bad Gateway', 'proxy.host_unreachable', true],
  ['503 Service Unavailable', 'proxy.host_unreachable', true],
  ['504 Gateway Timeout', 'proxy.host_unreachable', true],
  ['503 Gone\r\nX-Squid-Error: ERR_DNS_FAIL 0', 'proxy.host_unresolved', true],
  ['504 Timeout\r\nProxy-Status: p; error=dns_timeout', 'proxy.host_unresolved', true],
  ['407 Sign In\r\nProxy-Authenticate: Negotiate', 'proxy.auth_required', false],
  ['407 Sign In', 'proxy.auth_required', false],
  ['401 Unauthorized\r\nWWW-Authenticate: Basic', 'proxy.auth_required', false],
])('the answer %s to CONNECT is %s', async (status, code, retryable) => {
  const failure = await failureThrough('http', answering(`HTTP/1.1 ${status}\r\n\r\n`));
  expect(failure).toMatchObject({ code, retryable });
});

test('a proxy that wants another scheme than Basic is told apart from a wrong password', async () => {
  for (const [status, isAnother] of [
    ['407 Sign In\r\nProxy-Authenticate: Negotiate', true],
    ['401 Unauthorized\r\nWWW-Authenticate: Negotiate', true],
    ['407 Sign In', false],
  ] as const) {
    const failure = await failureThrough('http', answering(`HTTP/1.1 ${status}\r\n\r\n`));
    expect(failure.message.includes('allow Basic there')).toBe(isAnother);
  }
});

test.each([
  [1, 'proxy.host_unreachable', true],
  [2, 'proxy.denied', false],
  [3, 'proxy.host_unreachable', true],
  [4, 'proxy.host_unreachable', true],
  [5, 'proxy.host_unreachable', true],
  [7, 'proxy.protocol', false],
])('the SOCKS5 reply %i is %s', async (reply, code, retryable) => {
  const failure = await failureThrough('socks5h', (socket) => {
    socket.once('data', () => {
      socket.write(Buffer.from([5, 0]));
      socket.once('data', () => socket.write(Buffer.from([5, reply, 0, 1, 0, 0, 0, 0, 0, 0])));
    });
  });
  expect(failure).toMatchObject({ code, retryable });
});

test('[AT-38] a proxy whose own name does not resolve is a named error', async () => {
  const failure = await linkErrorOf(
    linkThrough('http://no-such-proxy.invalid:3128').request('GET', '/'),
  );
  expect(failure).toMatchObject({ code: 'proxy.dns', retryable: true });
  expect(failure.message).toContain('no-such-proxy.invalid');
});

describe('giving up while the proxy is still at it', () => {
  test.each(['http', 'https', 'socks5h'])('%s: closing the link ends it', async (scheme) => {
    const came = Promise.withResolvers<Socket>();
    const { port } = await startOddProxy((socket) => came.resolve(socket.resume()));
    const link = linkThrough(`${scheme}://127.0.0.1:${port}`);
    const pending = linkErrorOf(link.request('GET', '/'));
    const closed = once(await came.promise, 'close');
    link.close();
    expect((await pending).code).toBe('link.aborted');
    await closed;
  });

  test('an aborted request fails at once', async () => {
    const came = Promise.withResolvers<Socket>();
    const { port } = await startOddProxy((socket) => came.resolve(socket.resume()));
    const giveUp = new AbortController();
    const link = linkThrough(`http://127.0.0.1:${port}`);
    const pending = linkErrorOf(link.request('GET', '/', { signal: giveUp.signal }));
    await came.promise;
    giveUp.abort();
    expect((await pending).code).toBe('link.aborted');
  });
});

test('the CA is not waited for longer than allowed', async () => {
  const { port } = await startOddProxy((socket) => socket.resume());
  const route = { proxy: parseProxy(`http://127.0.0.1:${port}`) };
  const pending = fetchPinnedCa('https://cp.invalid', 'ab'.repeat(32), { timeoutMs: 50, route });
  expect((await linkErrorOf(pending)).code).toBe('proxy.timeout');
});

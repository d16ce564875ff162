import { once } from 'node:events';
import type { RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { HttpsLink, type LinkOptions } from '../src/https-link.ts';
import { type Authority, makeAuthority, type ServerIdentity } from './authority.ts';
import { linkErrorOf, startServer, startTcpServer, type TestServer } from './server.ts';

let authority: Authority;
let identity: ServerIdentity;
const open: AsyncDisposable[] = [];

beforeAll(async () => {
  authority = await makeAuthority();
  identity = await authority.issue();
});

afterEach(async () => {
  for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

async function connectTo(
  listener: RequestListener,
  options: Partial<LinkOptions> = {},
): Promise<{ link: HttpsLink; server: TestServer; sockets: TLSSocket[] }> {
  const server = await startServer(identity, listener);
  const sockets: TLSSocket[] = [];
  server.server.on('secureConnection', (socket) => sockets.push(socket));
  const link = new HttpsLink({ baseUrl: server.url, ca: authority.ca, ...options });
  open.push(server, { [Symbol.asyncDispose]: async () => link.close() });
  return { link, server, sockets };
}

describe('a request', () => {
  test('carries method, path below the base URL, headers and JSON, and its reply comes back whole', async () => {
    const { link, server } = await connectTo((request, response) => {
      const { method, url, headers } = request;
      response.statusCode = 201;
      response.setHeader('etag', '"7"');
      void text(request).then((body) => {
        response.end(JSON.stringify({ method, url, headers, body }));
      });
    });
    const below = new HttpsLink({
      baseUrl: `${server.url}/prefix/`,
      ca: authority.ca,
      headers: { 'user-agent': 'test', 'x-both': 'link' },
    });
    open.push({ [Symbol.asyncDispose]: async () => below.close() });
    const reply = await below.request('POST', '/pull?x=1', {
      json: { größe: 1 },
      headers: { 'x-both': 'request' },
    });
    expect(reply.status).toBe(201);
    expect(reply.headers.etag).toBe('"7"');
    expect(JSON.parse(reply.body.toString())).toMatchObject({
      method: 'POST',
      url: '/prefix/pull?x=1',
      headers: {
        'content-type': 'application/json',
        'content-length': '13',
        'user-agent': 'test',
        'x-both': 'request',
      },
      body: '{"größe":1}',
    });
    expect((await link.request('GET', '/')).status).toBe(201);
  });

  test('that is answered with an error status or a redirect is a reply, not an error', async () => {
    const { link } = await connectTo((request, response) => {
      response.writeHead(Number(request.url?.slice(1)), { location: '/elsewhere' }).end();
    });
    expect((await link.request('GET', '/503')).status).toBe(503);
    expect((await link.request('GET', '/302')).status).toBe(302);
  });

  test('reuses the connection, and a new connection resumes the TLS session', async () => {
    const { link, server, sockets } = await connectTo((_request, response) => response.end('ok'));
    const resumed: boolean[] = [];
    server.server.on('secureConnection', (socket) => resumed.push(socket.isSessionReused()));
    await link.request('GET', '/');
    await link.request('GET', '/');
    expect(sockets).toHaveLength(1);
    const [first] = sockets;
    const gone = first && once(first, 'close');
    first?.end();
    await gone;
    await link.request('GET', '/');
    expect(resumed).toEqual([false, true]);
    expect(link.tlsParameters()?.peerFingerprint).toMatch(/^SHA256:[0-9A-F:]{95}$/);
  });
});

describe('limits', () => {
  test('a body at the limit is accepted, and one byte more is refused', async () => {
    const { link } = await connectTo(
      (request, response) => response.end('x'.repeat(Number(request.url?.slice(1)))),
      { maxBodyBytes: 100 },
    );
    expect((await link.request('GET', '/100')).body).toHaveLength(100);
    const failure = await linkErrorOf(link.request('GET', '/101'));
    expect(failure).toMatchObject({ code: 'link.body_too_large', retryable: false });
  });

  test('a body without a declared length is cut off at the limit', async () => {
    const cut = Promise.withResolvers<void>();
    const { link } = await connectTo(
      (_request, response) => {
        response.on('close', cut.resolve);
        response.on('error', () => {});
        response.write('x'.repeat(600));
        response.write('x'.repeat(600));
      },
      { maxBodyBytes: 1000 },
    );
    const failure = await linkErrorOf(link.request('GET', '/'));
    expect(failure.code).toBe('link.body_too_large');
    await cut.promise;
  });

  test('a peer that does not answer in time is given up', async () => {
    const { link } = await connectTo(() => {}, { timeoutMs: 50 });
    const failure = await linkErrorOf(link.request('GET', '/'));
    expect(failure).toMatchObject({ code: 'link.timeout', retryable: true });
    expect(failure.message).toContain('50 ms');
  });

  test('a peer that stops in the middle of a reply is given up', async () => {
    const { link } = await connectTo((_request, response) => response.write('half'));
    const failure = await linkErrorOf(link.request('GET', '/', { timeoutMs: 100 }));
    expect(failure.code).toBe('link.timeout');
  });

  test('a peer that never completes the handshake is given up before the time for a reply', async () => {
    const silent = await startTcpServer(() => {});
    const link = new HttpsLink({
      baseUrl: `https://127.0.0.1:${silent.port}`,
      connectTimeoutMs: 50,
      timeoutMs: 60_000,
    });
    open.push(silent, { [Symbol.asyncDispose]: async () => link.close() });
    const failure = await linkErrorOf(link.request('GET', '/'));
    expect(failure).toMatchObject({ code: 'link.timeout', retryable: true });
    expect(failure.message).toContain('did not accept a connection');
  });
});

describe('giving up', () => {
  test('an aborted request fails at once, and closes its connection', async () => {
    const asked = Promise.withResolvers<ServerResponse>();
    const { link } = await connectTo((_request, response) => asked.resolve(response));
    const controller = new AbortController();
    const pending = linkErrorOf(link.request('GET', '/', { signal: controller.signal }));
    const response = await asked.promise;
    const closed = once(response, 'close');
    controller.abort();
    expect(await pending).toMatchObject({ code: 'link.aborted', retryable: false });
    await closed;
  });

  test('a request aborted beforehand opens no connection', async () => {
    const { link, sockets } = await connectTo((_request, response) => response.end());
    const failure = await linkErrorOf(link.request('GET', '/', { signal: AbortSignal.abort() }));
    expect(failure.code).toBe('link.aborted');
    expect(sockets).toHaveLength(0);
  });

  test('closing the link aborts what is under way and refuses what comes later', async () => {
    const asked = Promise.withResolvers<void>();
    const { link } = await connectTo(() => asked.resolve());
    const pending = linkErrorOf(link.request('POST', '/', { idempotent: true }));
    await asked.promise;
    link.close();
    expect((await pending).code).toBe('link.aborted');
    expect((await linkErrorOf(link.request('GET', '/'))).code).toBe('link.aborted');
  });
});

describe('lost connections', () => {
  test('nothing listening is named', async () => {
    const gone = await startTcpServer(() => {});
    await gone[Symbol.asyncDispose]();
    const link = new HttpsLink({ baseUrl: `https://127.0.0.1:${gone.port}` });
    const failure = await linkErrorOf(link.request('GET', '/'));
    link.close();
    expect(failure).toMatchObject({ code: 'link.refused', retryable: true });
    expect(failure.message).toContain(`127.0.0.1:${gone.port}`);
  });

  test('a name that does not resolve is named', async () => {
    const link = new HttpsLink({ baseUrl: 'https://no-such-host.invalid' });
    const failure = await linkErrorOf(link.request('GET', '/'));
    link.close();
    expect(failure).toMatchObject({ code: 'link.dns', retryable: true });
  });

  test('an answer that is not HTTP is named without its bytes', async () => {
    const { link } = await connectTo((request) => request.socket.end('canary\r\n\r\n'));
    const failure = await linkErrorOf(link.request('GET', '/'));
    expect(failure).toMatchObject({ code: 'link.protocol', retryable: false });
    expect(failure.cause).toBeUndefined();
    expect(failure.message).not.toContain('canary');
  });

  test('[F-23] an answer that goes on in another protocol is refused at once', async () => {
    const { link } = await connectTo(({ socket }) =>
      socket.write('HTTP/1.1 101 Go on\r\nconnection: upgrade\r\nupgrade: canary\r\n\r\n'),
    );
    const failure = await linkErrorOf(link.request('GET', '/'));
    expect(failure).toMatchObject({ code: 'link.protocol', retryable: false });
    expect(failure.message).not.toContain('canary');
  });

  test('a reply that breaks off is an error, and is not asked for again', async () => {
    let requests = 0;
    const { link } = await connectTo((_request, response) => {
      requests += 1;
      response.writeHead(200, { 'content-length': '10' });
      response.write('half', () => response.socket?.destroy());
    });
    const failure = await linkErrorOf(link.request('GET', '/'));
    expect(failure).toMatchObject({ code: 'link.reset', retryable: true });
    expect(requests).toBe(1);
  });

  test('a reset of a new connection is not retried: the server did see the request', async () => {
    let requests = 0;
    const { link } = await connectTo((request) => {
      requests += 1;
      request.socket.destroy();
    });
    const failure = await linkErrorOf(link.request('GET', '/'));
    expect(failure.code).toBe('link.reset');
    expect(requests).toBe(1);
  });
});

describe('a kept-alive connection that the server closes as it is used again', () => {
  /** Answers the first request of each connection and resets the connection on its second. */
  function oneRequestPerConnection(): { listener: RequestListener; seen: string[] } {
    const used = new Set<Socket>();
    const seen: string[] = [];
    return {
      seen,
      listener(request, response) {
        seen.push(`${request.method} ${request.url}`);
        if (used.has(request.socket)) request.socket.destroy();
        else response.end('ok');
        used.add(request.socket);
      },
    };
  }

  test.each([
    ['GET', {}],
    ['PUT', { json: { a: 1 } }],
    ['POST', { json: { a: 1 }, idempotent: true }],
  ])('%s is sent once more on a new connection', async (method, options) => {
    const { listener, seen } = oneRequestPerConnection();
    const { link, sockets } = await connectTo(listener);
    await link.request('GET', '/first');
    expect((await link.request(method, '/second', options)).body.toString()).toBe('ok');
    expect(seen).toEqual(['GET /first', `${method} /second`, `${method} /second`]);
    expect(sockets).toHaveLength(2);
  });

  test.each([
    ['POST', { json: { a: 1 } }],
    ['GET', { idempotent: false }],
  ])('%s that may not be repeated fails as retryable', async (method, options) => {
    const { listener, seen } = oneRequestPerConnection();
    const { link } = await connectTo(listener);
    await link.request('GET', '/first');
    const failure = await linkErrorOf(link.request(method, '/second', options));
    expect(failure).toMatchObject({ code: 'link.reset', retryable: true });
    expect(seen).toEqual(['GET /first', `${method} /second`]);
  });

  test('is replaced even where other idle connections were closed with it', async () => {
    const { listener } = oneRequestPerConnection();
    const bothOpen = Promise.withResolvers<void>();
    const { link, server, sockets } = await connectTo((request, response) => {
      // Neither of the first two is answered before both have come, so that each has its connection.
      void bothOpen.promise.then(() => listener(request, response));
    });
    server.server.on('request', () => {
      if (sockets.length === 2) bothOpen.resolve();
    });
    await Promise.all([link.request('GET', '/a'), link.request('GET', '/b')]);
    expect((await link.request('GET', '/after')).status).toBe(200);
    expect(sockets).toHaveLength(3);
  });
});

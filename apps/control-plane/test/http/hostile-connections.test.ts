import { once } from 'node:events';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';

const MAX_CONNECTIONS = 10;
const MIB = 2 ** 20;

let controlPlane: TestControlPlane;
beforeAll(async () => {
  controlPlane = await startControlPlane({ startMs: Date.now() });
  for (const app of [controlPlane.operatorApp, controlPlane.agentApp])
    await app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(() => controlPlane.end());

const portOf = (app: FastifyInstance) => Number(new URL(app.listeningOrigin).port);

function dial(app: FastifyInstance): TLSSocket {
  const socket = connect({ host: '127.0.0.1', port: portOf(app), ca: controlPlane.caCertificate });
  // Being cut off is what these tests are about.
  socket.on('error', () => {});
  return socket;
}

/** Resolves when a socket is closed, in whatever way. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** What a listener answers to raw bytes, until it closes. */
async function answerTo(app: FastifyInstance, bytes: string): Promise<string> {
  const socket = dial(app);
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
  await once(socket, 'secureConnect');
  socket.write(bytes);
  await closed(socket);
  return answer;
}

/** Serving as before: an answer that is right in form. */
async function expectServing(app: FastifyInstance): Promise<void> {
  const answer = await answerTo(
    app,
    'GET /nothing HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
  );
  expect(answer).toMatch(/^HTTP\/1\.1 404 /);
}

describe.each([
  { name: 'operator API', app: () => controlPlane.operatorApp, entry: '/api/v1/sessions' },
  { name: 'agent API', app: () => controlPlane.agentApp, entry: '/agent/v1/session' },
])('[F-23] the $name', ({ app, entry }) => {
  const head = (length: number) =>
    `POST ${entry} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;

  test('refuses a body of 100 MB that says so, before it has come', async () => {
    expect(await answerTo(app(), head(100 * MIB))).toMatch(
      /^HTTP\/1\.1 413 [^]*request\.too_large/,
    );
    await expectServing(app());
  });

  test('refuses a body of 100 MB that comes in chunks without end, and keeps none of it', async () => {
    const socket = dial(app());
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    await once(socket, 'secureConnect');
    const start = `POST ${entry} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`;
    socket.write(start);
    const chunk = `100000\r\n${'x'.repeat(MIB)}\r\n`;
    const before = process.memoryUsage().rss;
    let sent = 0;
    const end = closed(socket);
    while (sent < 100 && socket.writable) {
      sent += 1;
      if (!socket.write(chunk)) await Promise.race([once(socket, 'drain').catch(() => {}), end]);
    }
    socket.destroy();
    await end;
    expect(answer).toMatch(/^HTTP\/1\.1 413 [^]*request\.too_large/);
    expect(process.memoryUsage().rss - before).toBeLessThan(60 * MIB);
    await expectServing(app());
  });

  test.each([
    ['73 levels', `{"name":${'['.repeat(72)}${']'.repeat(72)}}`, /request\.invalid[^]*levels/],
    ['10,000 levels', `{"name":${'['.repeat(10_000)}`, /request\.invalid[^]*levels/],
    ['3,000 levels of objects', '{"a":'.repeat(3_000), /request\.invalid[^]*levels/],
    ['__proto__', '{"name":"owner","__proto__":{"a":1}}', /request\.malformed_json/],
    [
      'constructor.prototype',
      '{"name":"owner","constructor":{"prototype":{"a":1}}}',
      /request\.malformed_json/,
    ],
    ['a null byte', '{"name":"owner\\u0000"}', /request\.invalid/],
    ['a bare null byte', '{"name":"\0"}', /request\.malformed_json/],
  ])('refuses a body with %s, and names no value', async (_, body, refusal) => {
    const reply = await app().inject({
      method: 'POST',
      url: entry,
      headers: { 'content-type': 'application/json' },
      payload: body,
    });
    expect(reply.statusCode).toBe(400);
    expect(reply.payload).toMatch(refusal);
    expect(reply.payload).not.toContain('owner');
  });

  test('does not take brackets within text for levels', async () => {
    const body = JSON.stringify({ name: `\\"${'['.repeat(500)}`, password: '{'.repeat(500) });
    const reply = await app().inject({
      method: 'POST',
      url: entry,
      headers: { 'content-type': 'application/json' },
      payload: body,
    });
    expect(reply.payload).not.toMatch(/levels/);
  });

  test.each([
    ['10,000 headers', 10_000],
    ['101 headers', 99],
  ])('refuses %s', async (_, count) => {
    const headers = Array.from({ length: count }, (_unused, at) => `x-${at}: 1\r\n`).join('');
    const answer = await answerTo(
      app(),
      `GET ${entry} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n${headers}\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 431 [^]*request\.headers_too_large/);
    await expectServing(app());
  });

  test.each([
    ['two hosts', `GET ${entry} HTTP/1.1\r\nhost: a\r\nHost: b\r\n`],
    [
      'two lengths',
      `POST ${entry} HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n`,
    ],
    [
      'a length and chunks',
      `POST ${entry} HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n`,
    ],
    [
      'chunks that are not the last coding',
      `POST ${entry} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity\r\n`,
    ],
    ['a space before a colon', `GET ${entry} HTTP/1.1\r\nhost: a\r\nx : 1\r\n`],
    ['a folded header', `GET ${entry} HTTP/1.1\r\nhost: a\r\nx: 1\r\n 2\r\n`],
    ['bare line feeds', `GET ${entry} HTTP/1.1\nhost: a\nx: 1\n`],
  ])('refuses what two readers could take for different requests: %s', async (_, request) => {
    const answer = await answerTo(app(), `${request}connection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 400 [^]*request\.invalid/);
    await expectServing(app());
  });

  test('refuses a query that is too long', async () => {
    const url = `GET ${entry}?a=${'b'.repeat(5_000)} HTTP/1.1`;
    const answer = await answerTo(app(), `${url}\r\nhost: a\r\nconnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 400 [^]*request\.invalid/);
  });

  test('cuts off who sends headers without end, a byte at a time', async () => {
    const { server } = app();
    const allowed = server.headersTimeout;
    expect(allowed).toBe(10_000);
    server.headersTimeout = 500;
    try {
      const socket = dial(app());
      let answer = '';
      socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
      await once(socket, 'secureConnect');
      socket.write('GET / HTTP/1.1\r\nhost: a\r\nx-slow: ');
      const drip = setInterval(() => socket.write('a'), 50);
      await closed(socket);
      clearInterval(drip);
      expect(answer).toMatch(/^HTTP\/1\.1 408 [^]*request\.timed_out/);
    } finally {
      server.headersTimeout = allowed;
    }
    await expectServing(app());
  });

  test('bounds the time of a request, of a silent connection and of an idle one', () => {
    const { server } = app();
    expect(server.requestTimeout).toBeGreaterThan(0);
    expect(server.requestTimeout).toBeLessThanOrEqual(70_000);
    expect(server.timeout).toBeGreaterThan(0);
    expect(server.timeout).toBeLessThanOrEqual(90_000);
    expect(server.keepAliveTimeout).toBe(75_000);
  });

  test('survives bytes that are no TLS, and a handshake that breaks off', async () => {
    const garbage = [
      '\x16\x03\x01\xff\xff',
      '\x80'.repeat(4_096),
      '\0'.repeat(70_000),
      'GET / HTTP/1.1\r\n\r\n',
    ];
    for (const bytes of garbage) {
      const socket = connectPlain(portOf(app()), '127.0.0.1');
      socket.on('error', () => {});
      await once(socket, 'connect');
      socket.end(Buffer.from(bytes, 'latin1'));
      await closed(socket.resume());
    }
    await expectServing(app());
    expect(controlPlane.logged()).not.toContain('"level":"error"');
  });

  test('closes connections beyond its maximum, and takes new ones when others have gone', async () => {
    const { server } = app();
    const allowed = server.maxConnections;
    expect(allowed).toBeGreaterThanOrEqual(1_000);
    server.maxConnections = MAX_CONNECTIONS;
    const sockets: TLSSocket[] = [];
    try {
      while (sockets.length < MAX_CONNECTIONS) {
        const socket = dial(app());
        sockets.push(socket);
        await once(socket, 'secureConnect');
      }
      const beyond = dial(app());
      let connected = false;
      beyond.once('secureConnect', () => (connected = true));
      await closed(beyond);
      expect(connected).toBe(false);
    } finally {
      for (const socket of sockets) socket.destroy();
      server.maxConnections = allowed;
    }
    await expectServing(app());
  });
});

test.each(['session', 'enroll'])(
  '[F-23] the agent API takes no body of 17 KiB of a stranger at %s, many of which would be held while they come',
  async (entry) => {
    const head = `POST /agent/v1/${entry} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n`;
    const answer = await answerTo(
      controlPlane.agentApp,
      `${head}content-length: ${17 * 1024}\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 413 [^]*request\.too_large/);
  },
);

test('every reply of the operator API forbids a browser to load, frame or send anything from it', async () => {
  const strict = "default-src 'none';base-uri 'none';form-action 'none';frame-ancestors 'none'";
  for (const url of ['/api/v1/me', '/api/openapi.json', '/nothing'])
    expect((await controlPlane.operatorApp.inject(url)).headers).toMatchObject({
      'content-security-policy': strict,
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'strict-transport-security': 'max-age=31536000',
      'cache-control': 'no-store',
    });
});

test('the page that shows the API runs its own scripts alone', async () => {
  const page = await controlPlane.operatorApp.inject('/docs/');
  expect(page.statusCode).toBe(200);
  const policy = String(page.headers['content-security-policy']);
  const directives = new Map(
    policy.split(';').map((text) => {
      const [name = '', ...sources] = text.trim().split(' ');
      return [name, sources];
    }),
  );
  expect(directives.get('default-src')).toEqual(["'none'"]);
  expect(directives.get('frame-ancestors')).toEqual(["'none'"]);
  for (const kind of ['script-src', 'style-src', 'connect-src'])
    expect(directives.get(kind)).toEqual(["'self'"]);
  expect(policy).not.toMatch(/unsafe|https?:|\*/);
});

test('[F-23] no stop waits for a handshake that nobody goes on with', async () => {
  const { operatorApp, agentApp } = controlPlane;
  for (const app of [operatorApp, agentApp]) {
    const accepted = once(app.server, 'connection');
    const silent = connectPlain(portOf(app), '127.0.0.1');
    await accepted;
    const end = closed(silent);
    await app.close();
    await end;
  }
}, 5_000);

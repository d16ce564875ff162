import { X509Certificate } from 'node:crypto';
import type { ServerOptions } from 'node:https';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { parseEndpoint } from '../src/endpoint.ts';
import { HttpsLink, LinkError } from '../src/https-link.ts';
import { showCertificate } from '../src/link-probe.ts';
import { type Authority, makeAuthority, type ServerIdentity } from './authority.ts';
import { selfSigned, withTime } from './issuer.ts';
import { linkErrorOf, startServer, startTcpServer } from './server.ts';

const day = 86_400_000;
let authority: Authority;
let identity: ServerIdentity;

beforeAll(async () => {
  authority = await makeAuthority();
  identity = await authority.issue();
});

async function ask(options: ServerOptions, { host = '127.0.0.1', ca = authority.ca } = {}) {
  await using server = await startServer(options);
  const link = new HttpsLink({ baseUrl: `https://${host}:${server.port}`, ca });
  try {
    const reply = await link.request('GET', '/');
    return { status: reply.status, tls: link.tlsParameters() };
  } finally {
    link.close();
  }
}

describe('encryption', () => {
  test.each(['http://127.0.0.1', 'HTTP://127.0.0.1', 'ws://127.0.0.1'])(
    '[AX-01] %s is refused before any connection',
    async (scheme) => {
      await using server = await startTcpServer((socket) => socket.destroy());
      let caught: unknown;
      try {
        new HttpsLink({ baseUrl: `${scheme}:${server.port}` });
      } catch (error) {
        caught = error;
      }
      expect(caught).toBeInstanceOf(LinkError);
      expect(caught).toMatchObject({ code: 'link.plaintext', retryable: false });
      expect(server.connections()).toBe(0);
    },
  );

  test('[AX-01] the first byte on the wire is a TLS handshake record', async () => {
    const first = Promise.withResolvers<Buffer>();
    await using server = await startTcpServer((socket) => {
      socket.once('data', (bytes) => {
        first.resolve(Buffer.from(bytes));
        socket.destroy();
      });
    });
    const link = new HttpsLink({ baseUrl: `https://127.0.0.1:${server.port}` });
    const failure = await linkErrorOf(link.request('POST', '/', { json: { token: 'canary' } }));
    link.close();
    const bytes = await first.promise;
    expect(bytes[0]).toBe(0x16);
    expect(bytes.includes('canary')).toBe(false);
    expect(failure).toMatchObject({ code: 'link.reset', retryable: true });
  });

  test('a plain-HTTP port is named as such', async () => {
    await using server = await startTcpServer((socket) => {
      socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n');
    });
    const link = new HttpsLink({ baseUrl: `https://127.0.0.1:${server.port}` });
    const failure = await linkErrorOf(link.request('GET', '/'));
    link.close();
    expect(failure).toMatchObject({ code: 'tls.handshake', retryable: false });
    expect(failure.message).toContain('does not speak TLS');
  });

  test.each([
    'not a url',
    'https://user@host',
    'https://:pw@host',
    'https://host/?q=1',
    'https://host/#f',
  ])('the base URL "%s" is refused without being echoed', (baseUrl) => {
    expect(() => new HttpsLink({ baseUrl })).toThrow(
      expect.objectContaining({
        code: 'link.bad_url',
        retryable: false,
        message: expect.not.stringContaining(baseUrl),
      }),
    );
  });
});

test.each([
  ['https://cp.example', { host: 'cp.example', port: 443, servername: 'cp.example' }],
  ['https://[::1]:9443', { host: '::1', port: 9443, servername: '' }],
])('%s names a host, a port, and what SNI may name', (url, expected) => {
  expect(parseEndpoint(url)).toMatchObject(expected);
});

describe('[AX-05] [AT-17] versions', () => {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)('a %s-only peer is spoken to', async (version) => {
    const { status, tls } = await ask({ ...identity, minVersion: version, maxVersion: version });
    expect(status).toBe(200);
    expect(tls?.protocol).toBe(version);
  });

  test.each(['TLSv1', 'TLSv1.1'] as const)('a %s-only peer is refused', async (version) => {
    const failure = await linkErrorOf(
      ask({
        ...identity,
        minVersion: version,
        maxVersion: version,
        ciphers: 'DEFAULT@SECLEVEL=0',
      }),
    );
    expect(failure).toMatchObject({ code: 'tls.version', retryable: false });
  });

  test('a peer with no suite in common is refused', async () => {
    const failure = await linkErrorOf(
      ask({ ...identity, maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA' }),
    );
    expect(failure).toMatchObject({ code: 'tls.handshake', retryable: false });
  });

  test('the parameters in use are told', async () => {
    const { tls } = await ask(identity);
    expect(tls).toEqual({
      peerAddress: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      protocol: 'TLSv1.3',
      cipher: 'TLS_AES_256_GCM_SHA384',
      group: expect.stringMatching(/25519/),
      peerFingerprint: expect.stringMatching(/^SHA256:([0-9A-F]{2}:){31}[0-9A-F]{2}$/),
    });
  });
});

describe('[AX-16] the server certificate', () => {
  test('for this address from the trusted CA is accepted', async () => {
    expect(await ask(identity)).toMatchObject({ status: 200 });
  });

  test('for this name from the trusted CA is accepted', async () => {
    expect(await ask(identity, { host: 'localhost' })).toMatchObject({ status: 200 });
  });

  test.each([
    ['has ended and begins', '200101000000Z', 'from no time to 2021-01-01T00:00:00.000Z'],
    ['ends', '210101000000Z', 'from 2020-01-01T00:00:00.000Z to no time'],
  ])('[F-23] that %s at what is no time is refused in words', async (_, time, told) => {
    const made = await selfSigned({
      kind: 'Ed25519',
      notBefore: new Date('2020-01-01'),
      notAfter: new Date('2021-01-01'),
    });
    const cert = withTime(made, time, 'a day in May ');
    const failure = await linkErrorOf(ask({ cert, key: made.key }));
    expect(failure).toMatchObject({ code: 'tls.expired', retryable: false });
    expect(failure.message).toContain(`valid ${told}`);
    const shown = showCertificate(new X509Certificate(cert), Date.now());
    expect(`from ${shown.notBefore} to ${shown.notAfter}`).toBe(told);
    expect(shown.isEnding).toBe(true);
  });

  test.each([
    ['address', { addresses: ['127.0.0.2'] }, '127.0.0.1'],
    ['name', { dns: ['elsewhere.test'] }, 'localhost'],
  ])('for another %s is refused', async (_what, names, host) => {
    const failure = await linkErrorOf(ask(await authority.issue(names), { host }));
    expect(failure).toMatchObject({ code: 'tls.name_mismatch', retryable: false });
  });

  test.each([
    [
      'expired',
      { notBefore: new Date(Date.now() - 2 * day), notAfter: new Date(Date.now() - day) },
    ],
    [
      'not yet valid',
      { notBefore: new Date(Date.now() + day), notAfter: new Date(Date.now() + 2 * day) },
    ],
  ])(
    '[F-08] that is %s is refused with its dates and the time of this host',
    async (...[, validity]) => {
      const failure = await linkErrorOf(ask(await authority.issue(validity)));
      expect(failure).toMatchObject({ code: 'tls.expired', retryable: false });
      const shown = (date: Date) => `${date.toISOString().slice(0, 19)}.000Z`;
      const { notBefore, notAfter } = validity;
      expect(failure.message).toContain(`valid from ${shown(notBefore)} to ${shown(notAfter)}`);
      const told = /this host’s clock says (\S+);/.exec(failure.message)?.[1] ?? '';
      expect(Math.abs(Date.parse(told) - Date.now())).toBeLessThan(5_000);
    },
  );

  test('from another CA is refused', async () => {
    const stranger = await makeAuthority();
    const failure = await linkErrorOf(ask(await stranger.issue()));
    expect(failure).toMatchObject({ code: 'tls.unknown_ca', retryable: false });
  });

  test('from another CA of the same name is refused', async () => {
    const { ca } = await makeAuthority('CN=Same');
    const impostor = await makeAuthority('CN=Same');
    const failure = await linkErrorOf(ask(await impostor.issue(), { ca }));
    expect(failure).toMatchObject({ code: 'tls.unknown_ca', retryable: false });
  });

  test('from a CA of its own is refused where only public roots are trusted', async () => {
    await using server = await startServer(identity);
    const link = new HttpsLink({ baseUrl: server.url });
    const failure = await linkErrorOf(link.request('GET', '/'));
    link.close();
    expect(failure).toMatchObject({ code: 'tls.unknown_ca', retryable: false });
  });

  test('is checked against the URL, whatever the Host header says', async () => {
    const other = await authority.issue({ dns: ['elsewhere.test'], addresses: [] });
    await using server = await startServer(other);
    const link = new HttpsLink({ baseUrl: server.url, ca: authority.ca });
    const failure = await linkErrorOf(
      link.request('GET', '/', { headers: { host: 'elsewhere.test' } }),
    );
    link.close();
    expect(failure.code).toBe('tls.name_mismatch');
  });

  test('is checked before a byte of the request is sent', async () => {
    let requests = 0;
    const stranger = await makeAuthority();
    await using server = await startServer(await stranger.issue(), (_request, response) => {
      requests += 1;
      response.end();
    });
    const closed = new Promise((resolve) => {
      server.server.once('connection', (socket) => socket.once('close', resolve));
    });
    const link = new HttpsLink({ baseUrl: server.url, ca: authority.ca });
    await linkErrorOf(link.request('POST', '/', { json: { token: 'canary' } }));
    await closed;
    link.close();
    expect(requests).toBe(0);
  });
});

import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { HttpsLink } from '../src/https-link.ts';
import { certificateFingerprint, fetchPinnedCa } from '../src/pin.ts';
import { parseProxy, type Proxy } from '../src/proxy/proxy.ts';
import type { Route } from '../src/route.ts';
import { type Authority, makeAuthority, type ServerIdentity } from './authority.ts';
import { type ProxyOptions, startHttpProxy, startSocks5Proxy, type TestProxy } from './proxies.ts';
import { linkErrorOf, startServer, type TestServer } from './server.ts';

/** A name that nothing but the test's proxies resolves (RFC 6761, section 6.4). */
const HOST = 'cp.invalid';
const hosts = { [HOST]: '127.0.0.1' };

let authority: Authority;
let proxyAuthority: Authority;
let proxyIdentity: ServerIdentity;
let server: TestServer;
const open: AsyncDisposable[] = [];

beforeAll(async () => {
  authority = await makeAuthority();
  proxyAuthority = await makeAuthority('CN=CA of the proxy');
  proxyIdentity = await proxyAuthority.issue();
  const identity = await authority.issue({ dns: [HOST], addresses: [] });
  server = await startServer(identity, (request, response) => {
    void text(request).then((body) => response.end(`reply to ${body}`));
  });
});

afterAll(async () => server[Symbol.asyncDispose]());

afterEach(async () => {
  for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

type Kind = 'http' | 'https' | 'socks5h';

async function start(kind: Kind, options: ProxyOptions = {}): Promise<TestProxy> {
  const given = { hosts, ...options };
  const proxy =
    kind === 'socks5h'
      ? await startSocks5Proxy(given)
      : await startHttpProxy(given, kind === 'https' ? proxyIdentity : undefined);
  open.push(proxy);
  return proxy;
}

function proxyAt(kind: Kind, port: number, credentials = ''): Proxy {
  const user = credentials === '' ? '' : `${credentials}@`;
  return parseProxy(`${kind}://${user}127.0.0.1:${port}`, { ca: proxyAuthority.ca });
}

function linkTo(route: Route, host = HOST): HttpsLink {
  const link = new HttpsLink({
    baseUrl: `https://${host}:${server.port}`,
    ca: authority.ca,
    route,
  });
  open.push({ [Symbol.asyncDispose]: async () => link.close() });
  return link;
}

const ask = (route: Route, host?: string) => linkTo(route, host).request('POST', '/', { json: 1 });

test('[AX-14][AT-38] without a proxy the tests’ host cannot be reached: its name does not resolve', async () => {
  const failure = await linkErrorOf(ask({}));
  expect(failure).toMatchObject({ code: 'link.dns', retryable: true });
  expect(failure.message).toContain(HOST);
});

describe.each<Kind>(['http', 'https', 'socks5h'])('through a proxy of %s', (kind) => {
  test('[AX-14] requests reach a host whose name the proxy alone resolves, over one kept tunnel', async () => {
    const seen = await start(kind);
    const link = linkTo({ proxy: proxyAt(kind, seen.port) });
    const replies = [
      await link.request('POST', '/', { json: 'canary-1' }),
      await link.request('POST', '/', { json: 'canary-2' }),
    ];
    expect(replies.map(({ body }) => body.toString())).toEqual([
      'reply to "canary-1"',
      'reply to "canary-2"',
    ]);
    expect(seen.destinations).toEqual([`${HOST}:${server.port}`]);
    expect(seen.tunnels()).toBe(1);
    expect(link.tlsParameters()?.protocol).toBe('TLSv1.3');
  });

  test('[AT-34] the proxy carries TLS and sees nothing of what is said', async () => {
    const seen = await start(kind);
    await linkTo({ proxy: proxyAt(kind, seen.port) }).request('POST', '/canary-path', {
      json: 'canary-body',
      headers: { authorization: 'canary-header' },
    });
    const [firstByte] = seen.sent();
    // A TLS record that holds a handshake (RFC 8446, section 5.1).
    expect(firstByte).toBe(22);
    expect(seen.sent().includes('canary')).toBe(false);
  });

  test('[AX-16] the CA is fetched by its fingerprint, and a wrong fingerprint is refused', async () => {
    const seen = await start(kind);
    const route = { proxy: proxyAt(kind, seen.port) };
    const url = `https://${HOST}:${server.port}`;
    const ca = await fetchPinnedCa(url, certificateFingerprint(authority.ca), { route });
    expect(certificateFingerprint(ca)).toBe(certificateFingerprint(authority.ca));
    const other = certificateFingerprint(proxyAuthority.ca);
    const failure = await linkErrorOf(fetchPinnedCa(url, other, { route }));
    expect(failure.code).toBe('tls.fingerprint_mismatch');
    expect(new Set(seen.destinations)).toEqual(new Set([`${HOST}:${server.port}`]));
  });

  test('[AX-01] a proxy that leads to another server is found out by its certificate', async () => {
    const seen = await start(kind, { hosts: { 'other.invalid': '127.0.0.1' } });
    const failure = await linkErrorOf(ask({ proxy: proxyAt(kind, seen.port) }, 'other.invalid'));
    expect(failure).toMatchObject({ code: 'tls.name_mismatch', retryable: false });
  });

  test.each([
    ['the right ones', 'agent:p%40ss%3A1', undefined],
    ['a wrong password', 'agent:canary', 'proxy.auth_required'],
    ['a wrong user', 'canary:p%40ss%3A1', 'proxy.auth_required'],
    ['none', '', 'proxy.auth_required'],
  ])('[AX-18] that asks for a user name and password, with %s', async (_what, given, code) => {
    const seen = await start(kind, { credentials: 'agent:p@ss:1' });
    const reply = ask({ proxy: proxyAt(kind, seen.port, given) });
    if (code === undefined) {
      expect((await reply).status).toBe(200);
      return;
    }
    const failure = await linkErrorOf(reply);
    expect(failure).toMatchObject({ code, retryable: false });
    expect(failure.message).toContain('proxy.password');
    expect(failure.message + failure.stack).not.toMatch(/canary|p@ss|p%40ss/);
    expect(failure.cause).toBeUndefined();
    expect(seen.tunnels()).toBe(0);
  });

  test('[AX-18] that asks for nothing takes no harm from credentials', async () => {
    const seen = await start(kind);
    const reply = await ask({ proxy: proxyAt(kind, seen.port, 'agent:password') });
    expect(reply.status).toBe(200);
  });

  test('[AX-15] that does not let the destination through is a named error', async () => {
    const seen = await start(kind, { allowed: ['elsewhere.invalid:443'] });
    const failure = await linkErrorOf(ask({ proxy: proxyAt(kind, seen.port) }));
    expect(failure).toMatchObject({ code: 'proxy.denied', retryable: false });
    expect(failure.message).toContain(`${HOST}:${server.port}`);
  });

  test('[AT-38] that cannot resolve the name is a named error, and the changed answer is followed', async () => {
    const changing: Record<string, string> = {};
    const seen = await start(kind, { hosts: changing });
    const link = linkTo({ proxy: proxyAt(kind, seen.port) });
    const failure = await linkErrorOf(link.request('GET', '/'));
    // SOCKS5 has one reply for a name that does not resolve and a host that does not answer.
    const code = kind === 'socks5h' ? 'proxy.host_unreachable' : 'proxy.host_unresolved';
    expect(failure).toMatchObject({ code, retryable: true });
    expect(failure.message).toMatch(/resolve .*cp\.invalid.*DNS/);
    changing[HOST] = '127.0.0.1';
    expect((await link.request('GET', '/')).status).toBe(200);
  });

  test('[F-22] that is gone is a named error, and the link works once it is back', async () => {
    const first = await start(kind);
    const { port } = first;
    const link = linkTo({ proxy: proxyAt(kind, port) });
    await link.request('GET', '/');
    await first[Symbol.asyncDispose]();
    open.splice(open.indexOf(first), 1);
    const failure = await linkErrorOf(link.request('GET', '/'));
    expect(failure).toMatchObject({ code: 'proxy.refused', retryable: true });
    expect(failure.message).toContain(`${kind}://127.0.0.1:${port}`);
    await start(kind, { port });
    expect((await link.request('GET', '/')).status).toBe(200);
  });

  test('that NO_PROXY exempts the host from is not used', async () => {
    const seen = await start(kind);
    const proxy = proxyAt(kind, seen.port);
    const failure = await linkErrorOf(ask({ proxy, noProxy: ['.example.org', HOST] }));
    expect(failure.code).toBe('link.dns');
    expect(seen.destinations).toEqual([]);
    expect((await ask({ proxy, noProxy: ['.example.org'] })).status).toBe(200);
  });
});

describe('an HTTPS proxy', () => {
  test('[AT-34] whose certificate no trusted CA issued gets neither credentials nor a destination', async () => {
    const seen = await start('https');
    const url = `https://agent:password@127.0.0.1:${seen.port}`;
    const failure = await linkErrorOf(ask({ proxy: parseProxy(url, { ca: authority.ca }) }));
    expect(failure).toMatchObject({ code: 'proxy.unknown_ca', retryable: false });
    expect(failure.message).toBe(
      `The proxy https://127.0.0.1:${seen.port} has a certificate that no trusted CA issued; set proxy.ca to the PEM file of the CA that issued it.`,
    );
    expect(seen.destinations).toEqual([]);
  });

  test.each([
    ['another name', '127.0.0.1', { addresses: [] }],
    ['an address, its common name apart', 'localhost', { dns: [], subject: 'CN=localhost' }],
  ])('[AT-34] whose certificate is for %s is refused', async (_, host, issued) => {
    const seen = await startHttpProxy({ hosts }, await proxyAuthority.issue(issued));
    open.push(seen);
    const proxy = parseProxy(`https://${host}:${seen.port}`, { ca: proxyAuthority.ca });
    const failure = await linkErrorOf(ask({ proxy }));
    expect(failure).toMatchObject({ code: 'proxy.name_mismatch', retryable: false });
    expect(seen.destinations).toEqual([]);
  });

  test('[F-08] whose certificate has expired is refused with its dates and the time of this host', async () => {
    const [notBefore, notAfter] = ['2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z'];
    const expired = await proxyAuthority.issue({
      notBefore: new Date(notBefore),
      notAfter: new Date(notAfter),
    });
    const seen = await startHttpProxy({ hosts }, expired);
    open.push(seen);
    const failure = await linkErrorOf(ask({ proxy: proxyAt('https', seen.port) }));
    expect(failure).toMatchObject({ code: 'proxy.expired', retryable: false });
    expect(failure.message).toMatch(
      new RegExp(`: it is valid from ${notBefore} to ${notAfter}, and this host’s clock says `),
    );
    expect(seen.destinations).toEqual([]);
  });
});

describe('[AT-39] an address that is set for the host', () => {
  test('is connected to, with the certificate and SNI of the URL’s name', async () => {
    const names: unknown[] = [];
    server.server.once('secureConnection', (socket) => names.push(socket.servername));
    const reply = await ask({ address: '127.0.0.1' });
    expect(reply.body.toString()).toBe('reply to 1');
    expect(names).toEqual([HOST]);
  });

  test('does not make up for a certificate of another name', async () => {
    const failure = await linkErrorOf(ask({ address: '127.0.0.1' }, 'other.invalid'));
    expect(failure.code).toBe('tls.name_mismatch');
  });

  test('does not make up for a certificate of another CA', async () => {
    const link = new HttpsLink({
      baseUrl: `https://${HOST}:${server.port}`,
      ca: proxyAuthority.ca,
      route: { address: '127.0.0.1' },
    });
    const failure = await linkErrorOf(link.request('GET', '/'));
    link.close();
    expect(failure.code).toBe('tls.unknown_ca');
  });

  test('is not the name that is verified where the URL holds an address too', async () => {
    const failure = await linkErrorOf(ask({ address: '127.0.0.1' }, '127.0.0.9'));
    expect(failure.code).toBe('tls.name_mismatch');
    await using local = await startServer(await authority.issue({ addresses: ['127.0.0.9'] }));
    const link = new HttpsLink({
      baseUrl: `https://127.0.0.9:${local.port}`,
      ca: authority.ca,
      route: { address: '127.0.0.1' },
    });
    expect((await link.request('GET', '/')).status).toBe(200);
    link.close();
  });

  test('holds for the CA that is fetched by its fingerprint', async () => {
    const url = `https://${HOST}:${server.port}`;
    const pin = certificateFingerprint(authority.ca);
    const route = { address: '127.0.0.1' };
    expect(certificateFingerprint(await fetchPinnedCa(url, pin, { route }))).toBe(pin);
    expect((await linkErrorOf(fetchPinnedCa(url, pin))).code).toBe('link.dns');
  });

  test('is what a proxy is asked for, unless noProxy exempts that address', async () => {
    const seen = await start('http');
    const way = { proxy: proxyAt('http', seen.port), address: '127.0.0.1' };
    expect((await ask(way)).status).toBe(200);
    expect(seen.destinations).toEqual([`127.0.0.1:${server.port}`]);
    expect((await ask({ ...way, noProxy: ['127.0.0.0/8'] })).status).toBe(200);
    expect(seen.destinations).toHaveLength(1);
  });

  test('where nobody listens is a named error', async () => {
    const gone = await startServer(await authority.issue());
    await gone[Symbol.asyncDispose]();
    const link = new HttpsLink({
      baseUrl: `https://${HOST}:${gone.port}`,
      ca: authority.ca,
      route: { address: '127.0.0.1' },
    });
    const failure = await linkErrorOf(link.request('GET', '/'));
    link.close();
    expect(failure).toMatchObject({ code: 'link.refused', retryable: true });
  });
});

import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { HttpsLink } from '../src/https-link.ts';
import { defaultTlsPolicy, type TlsPolicy } from '../src/policy.ts';
import { parseProxy } from '../src/proxy/proxy.ts';
import { makeAuthority, type Authority } from './authority.ts';
import { startHttpProxy, type TestProxy } from './proxies.ts';
import { linkErrorOf, startServer, type TestServer } from './server.ts';

let authority: Authority;
let server: TestServer;
/** An HTTPS proxy that stopped at TLS 1.2. */
let proxy: TestProxy;
beforeEach(async () => {
  authority = await makeAuthority();
  const identity = await authority.issue();
  server = await startServer(identity);
  proxy = await startHttpProxy({}, { ...identity, maxVersion: 'TLSv1.2' });
});
afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

async function ask(policy: Partial<TlsPolicy>): Promise<number> {
  const tls = { ...defaultTlsPolicy, ...policy };
  const { ca } = authority;
  const route = { proxy: parseProxy(`https://127.0.0.1:${proxy.port}`, { ca, tls }) };
  const link = new HttpsLink({ baseUrl: server.url, ca, route });
  try {
    return (await link.request('GET', '/')).status;
  } finally {
    link.close();
  }
}

test('[AX-03] TLS to a proxy is of the oldest version that is set, or there is none', async () => {
  const failure = await linkErrorOf(ask({ minVersion: 'TLS1.3' }));
  expect(failure).toMatchObject({ code: 'proxy.version', retryable: false });
  expect(proxy.destinations).toEqual([]);
  expect(await ask({ minVersion: 'TLS1.2' })).toBe(200);
});

test('[AX-09] TLS to a proxy has one of the suites that are set, or there is none', async () => {
  const failure = await linkErrorOf(
    ask({ cipherSuites: ['TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384'] }),
  );
  expect(failure).toMatchObject({ code: 'proxy.handshake', retryable: false });
  expect(proxy.destinations).toEqual([]);
  expect(await ask({ cipherSuites: ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384'] })).toBe(200);
});

test('a link that is closed ends its tunnel', async () => {
  const { ca } = authority;
  // Or the server would end it.
  server.server.keepAliveTimeout = 0;
  const connected = once(server.server, 'secureConnection');
  const route = { proxy: parseProxy(`https://127.0.0.1:${proxy.port}`, { ca }) };
  const link = new HttpsLink({ baseUrl: server.url, ca, route });
  await link.request('GET', '/');
  const [socket] = await connected;
  const closed = once(socket, 'close');
  link.close();
  await closed;
});

test('a proxy is told its own name, as one address may serve several', async () => {
  await using named = await startServer(await authority.issue({ dns: ['localhost'] }));
  const connected = once(named.server, 'secureConnection');
  const { ca } = authority;
  const route = { proxy: parseProxy(`https://localhost:${named.port}`, { ca }) };
  const link = new HttpsLink({ baseUrl: server.url, ca, route });
  const failure = linkErrorOf(link.request('GET', '/'));
  const [socket] = await connected;
  expect(socket.servername).toBe('localhost');
  expect((await failure).code).toMatch(/^proxy\./);
  link.close();
});

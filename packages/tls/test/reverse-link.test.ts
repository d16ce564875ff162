import { once } from 'node:events';
import { connect as tcpConnect, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { connect, createServer } from 'node:tls';
import { expect, test } from '@jest/globals';
import { MAX_CONNECTIONS } from '../src/accepted-pool.ts';
import { certificateFingerprint } from '../src/fingerprint.ts';
import { MAX_HALF_OPEN } from '../src/half-open.ts';
import { Issuer } from './issuer.ts';
import { portOf } from './proxies.ts';
import {
  agentLeaf,
  clientOptions,
  controlPlaneLeaf,
  credentials,
  diallingServer,
  listeningAgent,
  localNames,
  organisation,
} from './reverse.ts';
import { linkErrorOf, startTcpServer } from './server.ts';

const closed = (socket: Pick<Socket, 'once'>) =>
  new Promise<void>((done) => socket.once('close', () => done()));

test('[BM-05] the agent is the TLS server and asks, the control plane is the TLS client and answers', async () => {
  await using agent = await listeningAgent();
  await using controlPlane = await diallingServer(agent.accepted.port);
  const socket = await controlPlane.dial();
  // Node tells the key exchange to a client alone.
  expect(socket.getEphemeralKeyInfo()).not.toBeNull();
  const reply = await agent.link.request('POST', '/agent/v1/pull', { json: { a: 1 } });
  expect({ status: reply.status, body: reply.body.toString() }).toEqual({
    status: 200,
    body: 'answer to /agent/v1/pull',
  });
  expect(agent.link.tlsParameters()).toMatchObject({
    protocol: 'TLSv1.3',
    peerFingerprint: certificateFingerprint(controlPlaneLeaf.parts[0] ?? ''),
  });
  expect(socket.getPeerX509Certificate()?.fingerprint256).toBe(
    certificateFingerprint(agentLeaf.parts[0] ?? '').slice('SHA256:'.length),
  );
});

const hasIpv6 = Object.values(networkInterfaces()).some((each) =>
  each?.some(({ family }) => family === 'IPv6'),
);
const testWithIpv6 = hasIpv6 ? test : test.skip;

testWithIpv6(
  'a peer that comes by IPv4 to a socket of both families is called by its IPv4 address',
  async () => {
    await using agent = await listeningAgent({ host: '::' });
    await using controlPlane = await diallingServer(agent.accepted.port);
    await controlPlane.dial();
    await agent.link.request('GET', '/');
    expect(agent.link.tlsParameters()?.peerAddress).toMatch(/^127\.0\.0\.1:\d+$/);
  },
);

test.each([
  ['localhost', 'localhost'],
  ['127.0.0.1', false],
])('an agent that is dialled at %s is shown the SNI %s', async (host, sni) => {
  const server = createServer(credentials(agentLeaf)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const connected = once(server, 'secureConnection');
  await using controlPlane = await diallingServer(portOf(server));
  await controlPlane.dial({ host });
  const [socket] = await connected;
  expect(socket.servername).toBe(sni);
  socket.destroy();
  server.close();
});

test('a connection is kept alive and used again, and one that the control plane closes is done without', async () => {
  await using agent = await listeningAgent();
  await using controlPlane = await diallingServer(agent.accepted.port);
  const ports: (number | undefined)[] = [];
  controlPlane.server.on('request', ({ socket }) => ports.push(socket.localPort));
  const first = await controlPlane.dial();
  await agent.link.request('GET', '/1');
  await agent.link.request('GET', '/2');
  expect(ports).toEqual([first.localPort, first.localPort]);
  first.destroy();
  await closed(first);
  const second = await controlPlane.dial();
  await agent.link.request('GET', '/3');
  expect(ports.at(-1)).toBe(second.localPort);
});

test('requests go side by side over as many connections, and wait for one when there is none', async () => {
  const held: (() => void)[] = [];
  await using agent = await listeningAgent();
  await using controlPlane = await diallingServer(agent.accepted.port, ({ url }, response) => {
    if (url === '/held') held.push(() => response.end('late'));
    else response.end('soon');
  });
  const pull = agent.link.request('GET', '/held');
  await controlPlane.dial();
  await once(controlPlane.server, 'request');
  const other = agent.link.request('GET', '/other');
  await controlPlane.dial();
  expect((await other).body.toString()).toBe('soon');
  held.pop()?.();
  expect((await pull).body.toString()).toBe('late');
});

test('a request that no connection comes for fails in time, and says what to look at', async () => {
  await using agent = await listeningAgent({ waitMs: 50 });
  expect(await linkErrorOf(agent.link.request('GET', '/'))).toMatchObject({
    code: 'link.not_dialled',
    retryable: true,
  });
});

test('a connection that is cut while an answer is waited for is seen by both', async () => {
  await using agent = await listeningAgent();
  await using controlPlane = await diallingServer(agent.accepted.port, () => {});
  const socket = await controlPlane.dial();
  const pull = linkErrorOf(agent.link.request('GET', '/'));
  const [request] = await once(controlPlane.server, 'request');
  request.on('error', () => {});
  const ended = closed(request);
  socket.destroy();
  expect(await pull).toMatchObject({ code: 'link.reset', retryable: true });
  await ended;
});

test('[BM-21] an agent’s certificates are replaced for the connections to come, and its policy stays', async () => {
  await using agent = await listeningAgent();
  await using controlPlane = await diallingServer(agent.accepted.port);
  const other = await Issuer.root('CN=Other');
  const leaf = await other.leaf({ names: localNames, usages: ['serverAuth'] });
  const before = await controlPlane.dial();
  agent.accepted.replace({ ...credentials(leaf), ca: other.rootPem });
  const refused = agent.nextRefused();
  const turnedAway = await controlPlane.dial({ ca: [other.rootPem] });
  await closed(turnedAway);
  expect(await refused).toMatchObject({ code: 'tls.chain_incomplete' });
  const dialled = await controlPlane.dial({
    ca: [other.rootPem],
    leaf: await other.leaf(clientOptions),
  });
  expect(dialled.getPeerX509Certificate()?.fingerprint256).not.toBe(
    before.getPeerX509Certificate()?.fingerprint256,
  );
  expect((await agent.link.request('GET', '/')).status).toBe(200);
  const legacy = connect({
    host: '127.0.0.1',
    port: agent.accepted.port,
    maxVersion: 'TLSv1.1',
    minVersion: 'TLSv1',
    ciphers: 'ALL:@SECLEVEL=0',
  });
  const [failure] = await once(legacy, 'error').catch((error: unknown) => [error]);
  expect(failure).toMatchObject({ code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
});

test('[BM-21] whom a CA that is trusted no longer let in gets no further request, be it one that waits already', async () => {
  const held: (() => void)[] = [];
  const full = Promise.withResolvers<void>();
  await using agent = await listeningAgent();
  await using controlPlane = await diallingServer(agent.accepted.port, ({ url }, response) => {
    if (url !== '/held') return void response.end(`answer to ${url}`);
    held.push(() => response.end('late'));
    if (held.length === MAX_CONNECTIONS) full.resolve();
  });
  const ends: Promise<void>[] = [];
  const pulls: ReturnType<typeof agent.link.request>[] = [];
  for (let at = 0; at < MAX_CONNECTIONS; at += 1) {
    ends.push(closed(await controlPlane.dial()));
    pulls.push(agent.link.request('GET', '/held'));
  }
  await full.promise;
  const waiting = agent.link.request('GET', '/secret');
  const other = await Issuer.root('CN=Other');
  const leaf = await other.leaf({ names: localNames, usages: ['serverAuth'] });
  agent.accepted.replace({ ...credentials(leaf), ca: other.rootPem });
  for (const answer of held) answer();
  for (const pull of pulls) expect((await pull).body.toString()).toBe('late');
  await Promise.all(ends);
  const asked = once(controlPlane.server, 'request');
  const dialled = await controlPlane.dial({
    ca: [other.rootPem],
    leaf: await other.leaf(clientOptions),
  });
  expect((await waiting).body.toString()).toBe('answer to /secret');
  const [{ socket }] = await asked;
  expect(socket.localPort).toBe(dialled.localPort);
});

test('[BM-13] no TLS session is resumed, as its peer might be trusted no longer', async () => {
  await using agent = await listeningAgent();
  const { port } = agent.accepted;
  const options = { host: '127.0.0.1', port, ca: organisation.rootPem };
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const first = connect({ ...options, ...credentials(controlPlaneLeaf), maxVersion });
    let session: Buffer | undefined;
    first.on('session', (made: Buffer) => (session = made));
    await once(first, 'secureConnect');
    session ??= first.getSession();
    first.destroy();
    const second = connect({
      ...options,
      ...credentials(controlPlaneLeaf),
      maxVersion,
      ...(session === undefined ? {} : { session }),
    });
    await once(second, 'secureConnect');
    expect(second.isSessionReused()).toBe(false);
    second.destroy();
  }
});

test('[F-23] strangers that say nothing are cut off, oldest first, and keep no control plane out', async () => {
  await using agent = await listeningAgent();
  await using controlPlane = await diallingServer(agent.accepted.port);
  const before = await controlPlane.dial();
  const strangers = Array.from({ length: 2 * MAX_HALF_OPEN }, () => {
    const socket = tcpConnect(agent.accepted.port, '127.0.0.1');
    socket.on('error', () => {});
    return socket;
  });
  const ends = strangers.map(closed);
  await Promise.all(ends.slice(0, MAX_HALF_OPEN));
  expect(strangers.filter(({ destroyed }) => !destroyed)).toHaveLength(MAX_HALF_OPEN);
  await controlPlane.dial();
  expect((await agent.link.request('GET', '/')).status).toBe(200);
  expect(before.destroyed).toBe(false);
  // Those that are left end with the agent.
  await agent[Symbol.asyncDispose]();
  await Promise.all(ends);
});

test('a control plane hangs up on an agent that says nothing, when the time is over or it gives up', async () => {
  let came = Promise.withResolvers<Socket>();
  await using silent = await startTcpServer((socket) => came.resolve(socket.resume()));
  await using controlPlane = await diallingServer(silent.port);
  const slow = linkErrorOf(controlPlane.dial({ timeoutMs: 50 }));
  await closed(await came.promise);
  const { code, retryable, message } = await slow;
  expect({ code, retryable }).toEqual({ code: 'link.timeout', retryable: true });
  expect(message).toMatch(`127.0.0.1:${silent.port} did not complete a TLS handshake within 50 ms`);
  came = Promise.withResolvers();
  const ending = new AbortController();
  const ended = linkErrorOf(controlPlane.dial({ signal: ending.signal, timeoutMs: 60_000 }));
  const other = await came.promise;
  ending.abort();
  await closed(other);
  expect(await ended).toMatchObject({ code: 'link.aborted', retryable: false });
  const { message: late } = await linkErrorOf(
    controlPlane.dial({ host: '::1', signal: ending.signal }),
  );
  expect(late).toContain(`[::1]:${silent.port}`);
});

test('a control plane that opens too many has the oldest unused ones closed', async () => {
  await using agent = await listeningAgent();
  await using controlPlane = await diallingServer(agent.accepted.port);
  const oldest = await controlPlane.dial();
  const cut = closed(oldest);
  for (let more = 0; more < 2 * MAX_CONNECTIONS; more += 1) await controlPlane.dial();
  await cut;
  expect((await agent.link.request('GET', '/')).status).toBe(200);
});

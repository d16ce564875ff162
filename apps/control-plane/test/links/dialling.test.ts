import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CERTIFICATE_GRANT, PROTOCOL } from '@sallyport/contract';
import { unusedPort } from '@sallyport/testkit/unused-port';
import { certificateFingerprint } from '@sallyport/tls/fingerprint';
import { CONTROL_PLANE_NAME, hasUsage } from '@sallyport/tls/peer-certificate';
import { Issuer } from '@sallyport/tls/test/issuer';
import type { AgentClient } from '../agent-client.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { OperatorClient } from '../operator-client.ts';
import { ListeningAgent, rawListener, selfMadePin, serving, untilLink } from './listening.ts';

const path = '/groups/plant-7/links';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let agent: AgentClient;
beforeAll(async () => {
  controlPlane = await serving(await startControlPlane({ startMs: Date.now() }));
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  agent = await agentIn(owner, 'plant-7', controlPlane);
});
afterAll(() => controlPlane.end());

const closed = (socket: Socket) => new Promise<void>((done) => socket.once('close', () => done()));

/** Makes a link, and takes it away again. */
async function linkTo(
  name: string,
  address: string,
  agentFingerprint: string | undefined = selfMadePin,
): Promise<AsyncDisposable> {
  const made = await owner.call('POST', path, { name, address, agentFingerprint });
  if (made.status !== 201) throw new Error(made.text);
  return {
    async [Symbol.asyncDispose]() {
      await owner.call('DELETE', `${path}/${name}`);
    },
  };
}

describe('[BM-01] an agent that listens', () => {
  test('is dialled as soon as it has a link, asks over it, and is seen in it until the link is deleted', async () => {
    await using listening = await ListeningAgent.start(controlPlane.caCertificate);
    const made = await linkTo('one', listening.address);
    expect(await listening.pull(agent)).toBe(200);
    expect(await untilLink(owner, 'one', ({ agentId }) => agentId !== null)).toMatchObject({
      agentId: agent.id,
      connectedSince: expect.any(String),
      lastError: null,
    });
    await agent.pull();
    const pull = listening.pull(agent, 50).catch((error: unknown) => error);
    await made[Symbol.asyncDispose]();
    expect(await pull).toMatchObject({ code: 'link.reset' });
    expect(listening.refused).toEqual([]);
  });

  test('[BM-22] is shown with what was negotiated and both fingerprints, and without before it is reached', async () => {
    const { promise: dialled, resolve } = Promise.withResolvers<TLSSocket>();
    await using listener = await rawListener(controlPlane.caCertificate, resolve);
    await using _link = await linkTo('shown', listener.address);
    const socket = await dialled;
    const shown = await untilLink(owner, 'shown', ({ seen }) => seen !== null);
    expect(shown.seen).toEqual({
      protocol: socket.getProtocol(),
      cipher: socket.getCipher().standardName,
      group: 'X25519MLKEM768',
      isWeak: false,
      agentFingerprint: selfMadePin,
      controlPlaneFingerprint: certificateFingerprint(socket.getPeerX509Certificate() ?? ''),
    });
    await using _nowhere = await linkTo('unreached', `127.0.0.1:${await unusedPort()}`);
    const unreached = await untilLink(owner, 'unreached', ({ lastError }) => lastError !== null);
    expect(unreached.seen).toBeNull();
  });

  test('is answered at once when its group changes while it pulls', async () => {
    await using listening = await ListeningAgent.start(controlPlane.caCertificate);
    await using _link = await linkTo('two', listening.address);
    await agent.pull();
    const pull = listening.pull(agent, 50);
    await owner.put('/groups/plant-7/secrets/s', { value: 'changed' });
    expect(await pull).toBe(200);
  });

  test('of another group leaves no trace of itself in the link', async () => {
    const stranger = await agentIn(owner, 'plant-8', controlPlane);
    await using listening = await ListeningAgent.start(controlPlane.caCertificate);
    await using _link = await linkTo('three', listening.address);
    expect(await listening.pull(stranger)).toBe(200);
    expect(await untilLink(owner, 'three', (shown) => shown.connectedSince !== null)).toMatchObject(
      {
        agentId: null,
      },
    );
    expect(await listening.pull(agent)).toBe(200);
    await untilLink(owner, 'three', ({ agentId }) => agentId === agent.id);
  });

  test('that comes back after a restart is found, and the link says meanwhile that it is away', async () => {
    const first = await ListeningAgent.start(controlPlane.caCertificate);
    const { port } = first.accepted;
    await using _link = await linkTo('four', first.address);
    expect(await first.pull(agent)).toBe(200);
    await first[Symbol.asyncDispose]();
    // An agent that goes is not one that turns the control plane away.
    const away = await untilLink(owner, 'four', ({ lastError }) => lastError !== null);
    expect(away).toMatchObject({ connectedSince: null, lastError: { code: 'link.refused' } });
    await using again = await ListeningAgent.start(controlPlane.caCertificate, { port });
    expect(await again.pull(agent)).toBe(200);
    await untilLink(owner, 'four', ({ lastError }) => lastError === null);
  });
});

test('[BM-07] [BM-08] the control plane shows a certificate of its own CA that is for clients, with its name and its hosts', async () => {
  const { promise: dialled, resolve } = Promise.withResolvers<TLSSocket>();
  await using listener = await rawListener(controlPlane.caCertificate, resolve);
  await using _link = await linkTo('seen', listener.address);
  const socket = await dialled;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) throw new Error('the control plane showed no certificate');
  expect(socket.authorized).toBe(true);
  expect([hasUsage(certificate, 'clientAuth'), hasUsage(certificate, 'serverAuth')]).toEqual([
    true,
    false,
  ]);
  expect(certificate.ca).toBe(false);
  expect(certificate.subjectAltName).toContain(`URI:${CONTROL_PLANE_NAME}, DNS:localhost`);
  // So that an agent can know the CA by its fingerprint at the first contact.
  expect(`SHA256:${certificate.issuerCertificate?.fingerprint256}`).toBe(
    controlPlane.caFingerprint,
  );
});

test('[BM-14] what an agent shows on a connection that was dialled is no client certificate of its own', async () => {
  const { promise: dialled, resolve } = Promise.withResolvers<TLSSocket>();
  await using listener = await rawListener(controlPlane.caCertificate, resolve);
  await using _link = await linkTo('certified', listener.address);
  const socket = await dialled;
  const body = JSON.stringify({ protocol: PROTOCOL, grantType: CERTIFICATE_GRANT });
  socket.write(
    `POST /agent/v1/session HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  const [answer] = await once(socket, 'data');
  expect(String(answer)).toMatch(/^HTTP\/1\.1 401 [^]*client_certificate\.required/);
});

describe('[SG-09] [BM-02] a link', () => {
  test('sends no byte to an agent that is not the one it pins, and says what is wrong', async () => {
    let received = 0;
    const ends: Promise<void>[] = [];
    await using listener = await rawListener(controlPlane.caCertificate, (socket) => {
      socket.on('data', ({ length }: Buffer) => (received += length));
      ends.push(closed(socket));
    });
    const other = selfMadePin.replace(/..$/, (pair) => (pair === '00' ? '01' : '00'));
    await using _link = await linkTo('pinned', listener.address, other);
    const { lastError } = await untilLink(owner, 'pinned', (shown) => shown.lastError !== null);
    expect(lastError).toMatchObject({ code: 'tls.fingerprint_mismatch' });
    await Promise.all(ends);
    expect(received).toBe(0);
    expect(controlPlane.logged()).toContain('tls.fingerprint_mismatch');
  });

  test('without a pin trusts no certificate that no CA of the truststore issued', async () => {
    await using listening = await ListeningAgent.start(controlPlane.caCertificate);
    const made = await owner.call('POST', path, { name: 'unpinned', address: listening.address });
    expect(made.status).toBe(201);
    await untilLink(owner, 'unpinned', ({ lastError }) => lastError?.code === 'tls.unknown_ca');
    await owner.call('DELETE', `${path}/unpinned`);
  });

  test('tells nothing of what something that speaks no TLS answers', async () => {
    const server = createServer((socket) => {
      socket
        .on('error', () => {})
        .resume()
        .end('SSH-2.0-canary\r\n');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    await using _link = await linkTo('plain', `127.0.0.1:${address.port}`);
    const { lastError } = await untilLink(owner, 'plain', (shown) => shown.lastError !== null);
    expect(lastError).toMatchObject({ code: 'tls.handshake' });
    expect(JSON.stringify(lastError) + controlPlane.logged()).not.toContain('canary');
    server.close();
  });

  test('whose agent does not want the control plane says so, and where to look', async () => {
    const other = await Issuer.root();
    await using listening = await ListeningAgent.start(other.rootPem);
    await using _link = await linkTo('unwanted', listening.address);
    await untilLink(owner, 'unwanted', ({ lastError }) => lastError?.code === 'link.turned_away');
    expect(listening.refused.map(({ code }) => code)).toContain('tls.unknown_ca');
  });
});

describe('the connections of a link', () => {
  test('are three while none is used, one more for each that is, and six at most', async () => {
    const sockets: TLSSocket[] = [];
    let came = Promise.withResolvers<void>();
    await using listener = await rawListener(controlPlane.caCertificate, (socket) => {
      sockets.push(socket);
      came.resolve();
    });
    await using _link = await linkTo('counted', listener.address);
    const count = async (wanted: number) => {
      while (sockets.length < wanted) {
        came = Promise.withResolvers();
        await came.promise;
      }
    };
    await count(3);
    // A request that has begun, and never ends.
    const use = (at: number) =>
      sockets[at]?.write(
        'POST /agent/v1/session HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{',
      );
    for (const [used, wanted] of [4, 5, 6].entries()) {
      use(used);
      await count(wanted);
    }
    for (const at of [3, 4]) use(at);
    const last = sockets[5];
    if (last === undefined) throw new Error('there are not six');
    last.write('GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n');
    const [answer] = await once(last, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 404 /);
    // What was begun before the connections of another link would be there when they are.
    const { promise: later, resolve } = Promise.withResolvers<TLSSocket>();
    await using other = await rawListener(controlPlane.caCertificate, resolve);
    await using _other = await linkTo('later', other.address);
    await later;
    expect(sockets).toHaveLength(6);
  });

  test('[F-23] are held to the limits of the agent API, which begin with the first byte of a request', async () => {
    const sockets: TLSSocket[] = [];
    const { promise: all, resolve } = Promise.withResolvers<void>();
    await using listener = await rawListener(controlPlane.caCertificate, (socket) => {
      sockets.push(socket);
      if (sockets.length === 3) resolve();
    });
    await using _link = await linkTo('slow', listener.address);
    await all;
    const [slow, ...unused] = sockets;
    if (slow === undefined) throw new Error('nothing was dialled');
    const begun = performance.now();
    slow.write('POST /agent/v1/pull HTTP/1.1\r\nhost:');
    const answered = once(slow, 'data').then(String);
    const answer = await Promise.race([answered, closed(slow).then(() => 'closed without one')]);
    expect(answer).toMatch(/^HTTP\/1\.1 408 [^]*request\.timed_out/);
    expect(performance.now() - begun).toBeGreaterThan(9_000);
    await closed(slow);
    for (const socket of unused) {
      socket.write('GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n');
      const served = once(socket, 'data').then(String);
      expect(await Promise.race([served, closed(socket)])).toMatch(/^HTTP\/1\.1 404 /);
    }
  }, 30_000);
});

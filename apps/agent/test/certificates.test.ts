import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect, createSecureContext, createServer, type Server } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Issuer, type IssuedLeaf } from '@sallyport/tls/test/issuer';
import { certificateReply } from '../src/local-api/replies.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, startDaemon, until, type Enrolled, type TestDaemon } from './harness.ts';
import { runAgent } from './run-agent.ts';

const PEM = { accept: 'application/x-pem-file' };
const path = '/v1/certificates/web/shop';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let daemon: TestDaemon;
let issuer: Issuer;
let leaf: IssuedLeaf;
beforeAll(async () => {
  double = await ControlPlaneDouble.start();
  issuer = await (await Issuer.root()).intermediate();
  leaf = await issuer.leaf();
  double.putCertificate('web/shop', leaf);
  double.putSecret('s', 'value');
  enrolled = await enrollWith(double);
  daemon = await startDaemon(enrolled);
  await daemon.untilHealth(({ status }) => status === 'ready');
});
afterAll(async () => {
  await daemon.stop();
  await double.stop();
  await enrolled.home.remove();
});

const read = async () => certificateReply.parse(JSON.parse((await daemon.ask(path)).body));
const current = () => daemon.untilHealth(({ revision }) => revision === double.group.revision);

describe('GET /v1/certificates/{name}', () => {
  test('answers chain and key, with version and revision', async () => {
    const { status, headers, body } = await daemon.ask(path);
    expect({ status, body: JSON.parse(body) }).toEqual({
      status: 200,
      body: {
        name: 'web/shop',
        version: 1,
        revision: double.group.revision,
        chain: leaf.chain,
        key: leaf.key,
      },
    });
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'cache-control': 'no-store',
      vary: 'accept',
    });
  });

  test('answers the key, then the chain, in PEM where that is asked for, with an etag of its own', async () => {
    const { status, headers, body } = await daemon.ask(path, { headers: PEM });
    expect({ status, body }).toEqual({ status: 200, body: leaf.key + leaf.chain });
    expect(headers['content-type']).toBe('application/x-pem-file');
    createSecureContext({ cert: body, key: body });
    const json = await daemon.ask(path);
    expect(headers.etag).not.toBe(json.headers.etag);
    for (const [etag, asked, expected] of [
      [headers.etag, PEM, 304],
      [json.headers.etag, {}, 304],
      [json.headers.etag, PEM, 200],
    ] as const) {
      const reply = await daemon.ask(path, {
        headers: { ...asked, 'if-none-match': String(etag) },
      });
      expect({ status: reply.status, empty: reply.body === '' }).toEqual({
        status: expected,
        empty: expected === 304,
      });
    }
  });

  test.each([
    ['/v1/certificates/unknown', 404, 'certificate.not_found'],
    ['/v1/certificates/s', 404, 'certificate.not_found'],
    ['/v1/certificates/..', 400, 'request.invalid'],
  ])('for %s is answered %i %s', async (asked, status, code) => {
    const reply = await daemon.ask(asked);
    expect({ status: reply.status, body: JSON.parse(reply.body) }).toMatchObject({
      status,
      body: { code },
    });
  });

  test('the list names what there is, and holds neither chain nor key', async () => {
    const { body } = await daemon.ask('/v1/certificates');
    expect(JSON.parse(body)).toMatchObject({ items: [{ name: 'web/shop', version: 1 }] });
    expect(body).not.toContain('BEGIN');
  });

  test('the agent’s own commands print it', async () => {
    const run = async (...args: string[]) => {
      const { code, stdout } = await runAgent([...args, '--socket', enrolled.socket]);
      expect(code).toBe(0);
      return stdout;
    };
    expect(await run('get', '--certificate', 'web/shop')).toBe(leaf.key + leaf.chain);
    expect(JSON.parse(await run('get', '--certificate', 'web/shop', '--json'))).toMatchObject({
      chain: leaf.chain,
      key: leaf.key,
    });
    expect(await run('list')).toContain('certificate  web/shop  version 1\n');
    const missing = await runAgent(['get', '--certificate', 'none', '--socket', enrolled.socket]);
    expect(missing).toMatchObject({ code: 3, stdout: '' });
    expect(await runAgent(['get', 'web/shop', '--socket', enrolled.socket])).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('read it with: sallyport-agent get --certificate web/shop'),
    });
  });
});

describe('a program that serves TLS with what the socket gives', () => {
  let server: Server;
  beforeAll(async () => {
    const { chain, key } = await read();
    server = createServer({ cert: chain, key }, (socket) => socket.end());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(() => void server.close());

  /** Connects as a client that trusts the root alone; returns what the server showed. */
  async function shown(): Promise<X509Certificate | undefined> {
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const socket = connect({
      port: port ?? 0,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: issuer.rootPem,
    });
    await once(socket, 'secureConnect');
    const certificate = socket.getPeerX509Certificate();
    socket.resume();
    await once(socket, 'close');
    return certificate;
  }

  test('is verified under the root, which needs the intermediate, and changes over without a stop', async () => {
    const before = await shown();
    expect(before?.fingerprint256).toBe(new X509Certificate(leaf.chain).fingerprint256);
    const next = await issuer.leaf({ kind: 'Ed25519' });
    double.putCertificate('web/shop', next);
    const { chain, key } = await until(async () => {
      const reply = await read();
      return reply.version === 2 && reply;
    });
    server.setSecureContext({ cert: chain, key });
    expect((await shown())?.fingerprint256).toBe(new X509Certificate(next.chain).fingerprint256);
    leaf = next;
  });

  test('never reads a key that is not its chain’s, however fast certificates are replaced', async () => {
    const some = [leaf, await issuer.leaf(), await issuer.leaf()];
    const last = double.group.revision + 30;
    for (let revision = double.group.revision; revision < last; revision += 1) {
      double.putCertificate('web/shop', some[revision % 3] ?? leaf);
      const { chain, key } = await read();
      expect(new X509Certificate(chain).checkPrivateKey(createPrivateKey(key))).toBe(true);
    }
    await current();
  });
});

test('a certificate that may not be kept on disk is unknown after a start without the control plane, and not missing', async () => {
  double.putCertificate('live', leaf, 'deny');
  await current();
  await daemon.stop();
  await double.stop();
  daemon = await startDaemon(enrolled);
  const live = await daemon.ask('/v1/certificates/live');
  expect({ status: live.status, body: JSON.parse(live.body) }).toMatchObject({
    status: 503,
    body: { code: 'agent.not_ready' },
  });
  expect((await daemon.ask(path)).status).toBe(200);
  await double.start();
  await until(async () => (await daemon.ask('/v1/certificates/live')).status === 200);
});

import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Issuer, type IssuedLeaf } from '@sallyport/tls/test/issuer';
import { responseTo, until } from './harness.ts';
import type { LocalApiAlone } from './local-api-alone.ts';
import { authority, ProgramsOnTcp, serverLeaf, withToken } from './programs-on-tcp.ts';

const NAME = 'spiffe://shop.example/web';
const stranger = await Issuer.root('CN=Another CA');
const clientLeaf = (
  name = NAME,
  issuer = authority,
  usage: 'clientAuth' | 'serverAuth' = 'clientAuth',
) => issuer.leaf({ names: [{ type: 'url', value: name }], usages: [usage] });

let programs: ProgramsOnTcp;
beforeAll(async () => {
  programs = await ProgramsOnTcp.create();
});
afterEach(() => programs.stop());
afterAll(() => programs[Symbol.asyncDispose]());

/** Resolves once a stream is cut off. */
async function closeOf(stream: IncomingMessage): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  stream
    .resume()
    .once('error', () => {})
    .once('close', resolve);
  return promise;
}

describe('[A7-21] [BM-13] programs on TCP with mutual TLS', () => {
  let api: LocalApiAlone['api'];
  beforeEach(async () => {
    api = await programs.start({
      clientNames: ['web.shop.example', NAME],
      keystore: { file: await programs.putKeystore(await serverLeaf()) },
      truststore: { file: await programs.put('truststore.pem', authority.rootPem) },
    });
  });
  const by = async (leaf: Promise<IssuedLeaf>) => {
    const { chain: cert, key } = await leaf;
    return programs.askTls({ cert, key });
  };

  test('are served by a certificate with a name that is let in', async () => {
    expect(await by(clientLeaf())).toMatchObject({ status: 200, body: { value: 's3cret' } });
  });

  test('are refused by a certificate with another name', async () => {
    expect(await by(clientLeaf('spiffe://shop.example/other'))).toMatchObject({
      status: 403,
      body: { code: 'request.client_refused' },
    });
  });

  test.each([
    ['a wildcard', { type: 'dns', value: '*.shop.example' } as const],
    ['no name but its subject', undefined],
  ])('are refused by a certificate with %s', async (_, name) => {
    const leaf = authority.leaf({
      cn: 'web.shop.example',
      names: name === undefined ? [] : [name],
      usages: ['clientAuth'],
    });
    expect(await by(leaf)).toMatchObject({
      status: 403,
      body: { code: 'request.client_refused' },
    });
  });

  test('are refused by a certificate that is for nothing in particular', async () => {
    const leaf = authority.leaf({ names: [{ type: 'url', value: NAME }] });
    expect(await by(leaf)).toMatchObject({ status: 403, body: { code: 'request.client_refused' } });
  });

  test.each([
    ['without a certificate', () => programs.askTls()],
    ['by one of another CA', () => by(clientLeaf(NAME, stranger))],
    ['by one that is not for clients', () => by(clientLeaf(NAME, authority, 'serverAuth'))],
  ])('get no connection %s', async (_, attempt) => {
    await expect(attempt()).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_SSL|^ECONN/),
    });
  });

  test('are refused over an open connection once the certificate has ended, and it is closed', async () => {
    const { chain: cert, key } = await authority.leaf({
      names: [{ type: 'url', value: NAME }],
      usages: ['clientAuth'],
      notAfter: new Date(Date.now() + 4_000),
    });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = () => programs.askTls({ cert, key, agent });
    expect((await ask()).status).toBe(200);
    const watched = await responseTo(
      request({ ...programs.at('/v1/watch'), ca: authority.rootPem, cert, key }),
    );
    const closed = closeOf(watched);
    await until(async () => (await ask()).status === 403);
    await api.refresh();
    await closed;
    agent.destroy();
  });

  test('that are amid a handshake when their CA is taken out have to begin anew', async () => {
    const begun = connectTcp(programs.port, '127.0.0.1')
      .on('error', () => {})
      .resume();
    // Whoever is served connected later.
    expect((await by(clientLeaf())).status).toBe(200);
    expect(begun.destroyed).toBe(false);
    await programs.put('truststore.pem', stranger.rootPem);
    await api.refresh();
    // Long before its handshake takes too long.
    await until(() => begun.destroyed, 2_000);
  });

  test('are cut off once the CA that let them in is trusted no longer', async () => {
    const { chain: cert, key } = await clientLeaf();
    const sent = request({ ...programs.at('/v1/watch'), ca: authority.rootPem, cert, key });
    const stream = await responseTo(sent);
    const ended = closeOf(stream);
    await programs.put('truststore.pem', stranger.rootPem);
    await api.refresh();
    await ended;
    await expect(programs.askTls({ cert, key })).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_SSL|^ECONN/),
    });
    expect(await by(clientLeaf(NAME, stranger))).toMatchObject({ status: 200 });
  });
});

test('[A7-21] programs that need a token and a certificate are served with both, and with neither alone', async () => {
  await programs.start({
    clientNames: [NAME],
    tokenFile: await programs.putToken(),
    keystore: { file: await programs.putKeystore(await serverLeaf()) },
    truststore: { file: await programs.put('truststore.pem', authority.rootPem) },
  });
  const { chain: cert, key } = await clientLeaf();
  expect(await programs.askTls({ cert, key, headers: withToken })).toMatchObject({ status: 200 });
  expect(await programs.askTls({ cert, key })).toMatchObject({
    status: 401,
    body: { code: 'request.unauthenticated' },
  });
  await expect(programs.askTls({ headers: withToken })).rejects.toMatchObject({
    code: expect.stringMatching(/^ERR_SSL|^ECONN/),
  });
});

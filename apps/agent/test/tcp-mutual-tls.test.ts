import { request } from 'node:https';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Issuer, type IssuedLeaf } from '@sallyport/tls/test/issuer';
import { responseTo } from './harness.ts';
import type { LocalApiAlone } from './local-api-alone.ts';
import { authority, ProgramsOnTcp, serverLeaf } from './programs-on-tcp.ts';

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

describe('[A7-21] [BM-13] programs on TCP with mutual TLS', () => {
  let api: LocalApiAlone['api'];
  beforeEach(async () => {
    api = await programs.start({
      clientNames: ['spiffe://shop.example/jobs', NAME],
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
    ['without a certificate', () => programs.askTls()],
    ['by one of another CA', () => by(clientLeaf(NAME, stranger))],
    ['by one that is not for clients', () => by(clientLeaf(NAME, authority, 'serverAuth'))],
  ])('get no connection %s', async (_, attempt) => {
    await expect(attempt()).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_SSL|^ECONN/),
    });
  });

  test('are cut off once the CA that let them in is trusted no longer', async () => {
    const { chain: cert, key } = await clientLeaf();
    const sent = request({ ...programs.at('/v1/watch'), ca: authority.rootPem, cert, key });
    const stream = await responseTo(sent);
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    stream
      .resume()
      .once('error', () => {})
      .once('close', end);
    await programs.put('truststore.pem', stranger.rootPem);
    await api.refresh();
    await ended;
    await expect(programs.askTls({ cert, key })).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_SSL|^ECONN/),
    });
    expect(await by(clientLeaf(NAME, stranger))).toMatchObject({ status: 200 });
  });
});

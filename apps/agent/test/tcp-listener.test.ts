import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { Issuer, type IssuedLeaf } from '@sallyport/tls/test/issuer';
import { localApiSettings } from '../src/local-api-settings.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { unusedPort } from './dialling.ts';
import { askSocket, enrollWith, startDaemon, until, type Enrolled } from './harness.ts';
import { LocalApiAlone } from './local-api-alone.ts';

const NAME = 'spiffe://shop.example/web';
const token = randomBytes(24).toString('hex');
const authority = await Issuer.root('CN=CA of the programs');
const stranger = await Issuer.root('CN=Another CA');

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let files: TempDirectory;
let port: number;
let local: LocalApiAlone | undefined;

beforeAll(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 's3cret');
  double.putSecret('api/key', 'of another program');
  enrolled = await enrollWith(double);
});
afterAll(async () => {
  await double.stop();
  await enrolled.home.remove();
});
beforeEach(async () => {
  files = await createTempDirectory('tcp');
  port = await unusedPort();
});
afterEach(async () => {
  await local?.[Symbol.asyncDispose]();
  local = undefined;
  await files.remove();
});

const serverLeaf = (issuer = authority) =>
  issuer.leaf({ names: [{ type: 'ip', value: '127.0.0.1' }], usages: ['serverAuth'] });
const clientLeaf = (
  name = NAME,
  issuer = authority,
  usage: 'clientAuth' | 'serverAuth' = 'clientAuth',
) => issuer.leaf({ names: [{ type: 'url', value: name }], usages: [usage] });

/** Puts a file in place as a whole, as whoever rotates it does. */
async function put(name: string, content: string): Promise<string> {
  const file = join(files.path, name);
  await writeFile(`${file}.new`, content, { mode: 0o600 });
  await rename(`${file}.new`, file);
  return file;
}

const putToken = (content = `${token}\n`) => put('token', content);
const putKeystore = async ({ chain, key }: IssuedLeaf) =>
  put('keystore.pem', key + chain + authority.rootPem);

const settings = (tcp: Record<string, unknown>) =>
  localApiSettings.parse({
    tcp: { address: `127.0.0.1:${port}`, allow: { secrets: ['db/*'] }, ...tcp },
  });

async function start(tcp: Record<string, unknown>): Promise<LocalApiAlone['api']> {
  const localApi = settings(tcp);
  local = await LocalApiAlone.start(double, enrolled, { socket: enrolled.socket, localApi });
  return local.api;
}

/** What keeps its files from being taken, as its health tells. */
async function fileProblems(): Promise<string[]> {
  return JSON.parse((await askSocket(enrolled.socket, '/healthz')).body).fileProblems;
}

async function reply(sent: ReturnType<typeof httpRequest>) {
  sent.end();
  const [response]: IncomingMessage[] = await once(sent, 'response');
  if (response === undefined) throw new Error('no response');
  const body = JSON.parse(await text(response));
  return { status: response.statusCode, headers: response.headers, body };
}

const secret = '/v1/secrets/db/password';
const at = (path: string) => ({ host: '127.0.0.1', port, path, agent: false as const });
const ask = (headers: Record<string, string> = {}, path = secret) =>
  reply(httpRequest({ ...at(path), headers }));
const askTls = (options: RequestOptions = {}, path = secret) =>
  reply(httpsRequest({ ...at(path), ca: authority.rootPem, ...options }));
const withToken = { 'x-sallyport-token': token };

test('[A7-21] [SG-38] there is no TCP listener unless its address is set', async () => {
  local = await LocalApiAlone.start(double, enrolled, { socket: enrolled.socket });
  await expect(ask(withToken)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

describe('[A7-21] [SG-24] [SG-38] programs on TCP without TLS', () => {
  let api: LocalApiAlone['api'];
  beforeEach(async () => {
    api = await start({ tokenFile: await putToken() });
  });

  test('are served what is allowed there, by their token', async () => {
    expect(await ask(withToken)).toMatchObject({ status: 200, body: { value: 's3cret' } });
    expect(await ask({ ...withToken, host: `localhost:${port}` })).toMatchObject({ status: 200 });
    expect(await ask(withToken, '/v1/secrets/api/key')).toMatchObject({
      status: 403,
      body: { code: 'request.not_allowed' },
    });
  });

  test.each([
    ['no token', undefined],
    ['another token', 'x'.repeat(token.length)],
    ['a longer token', `${token}0`],
    ['an empty token', ''],
  ])('are refused with %s, health too', async (_, given) => {
    const headers = given === undefined ? {} : { 'x-sallyport-token': given };
    for (const path of [secret, '/healthz']) {
      const refused = await ask(headers, path);
      expect(refused).toMatchObject({ status: 401, body: { code: 'request.unauthenticated' } });
      expect(refused.headers['www-authenticate']).toBe('X-Sallyport-Token');
    }
  });

  test.each(['x-forwarded-for', 'x-forwarded-host', 'forwarded', 'via'])(
    'are refused with the header %s, which proxies add, whatever the token',
    async (header) => {
      expect(await ask({ ...withToken, [header]: '127.0.0.1' })).toMatchObject({
        status: 403,
        body: { code: 'request.forwarded' },
      });
    },
  );

  const foreign = ['evil.example', 'localhost.evil.example', '10.0.0.1', '127.0.0.1:1', '[::2]'];
  test.each(foreign)('are refused with the host %j, whatever the token', async (host) => {
    expect(await ask({ ...withToken, host })).toMatchObject({
      status: 421,
      body: { code: 'request.foreign_host' },
    });
  });

  test('are let in by the new token once the file holds another, and by the old one no longer', async () => {
    const next = randomBytes(24).toString('hex');
    await putToken(next);
    await api.refresh();
    expect((await ask({ 'x-sallyport-token': next })).status).toBe(200);
    expect((await ask(withToken)).status).toBe(401);
  });

  test('are let in by the token there was while the file cannot be used, which health tells', async () => {
    await putToken('short');
    await api.refresh();
    expect(await fileProblems()).toEqual([expect.stringContaining('holds no token of 32 to 512')]);
    expect((await ask(withToken)).status).toBe(200);
    await putToken();
    await api.refresh();
    expect(await fileProblems()).toEqual([]);
  });
});

test('[A7-21] the running agent looks at the token file by itself', async () => {
  const localApi = settings({ tokenFile: await putToken() });
  await using _daemon = await startDaemon({ ...enrolled, localApi });
  const next = randomBytes(24).toString('hex');
  await putToken(next);
  await until(async () => (await ask({ 'x-sallyport-token': next })).status !== 401);
});

describe('[A7-21] programs on TCP with TLS', () => {
  test('are served by their token over TLS that shows the agent’s certificate, and not without TLS', async () => {
    await start({
      tokenFile: await putToken(),
      keystore: { file: await putKeystore(await serverLeaf()) },
    });
    expect(await askTls({ headers: withToken })).toMatchObject({
      status: 200,
      body: { value: 's3cret' },
    });
    expect(await askTls()).toMatchObject({ status: 401 });
    await expect(ask(withToken)).rejects.toMatchObject({ code: 'ECONNRESET' });
    await expect(askTls({ headers: withToken, ca: stranger.rootPem })).rejects.toMatchObject({
      code: 'SELF_SIGNED_CERT_IN_CHAIN',
    });
  });

  test('[AX-05] negotiate what localApi.tcp.tls allows, and nothing older', async () => {
    await start({
      tokenFile: await putToken(),
      keystore: { file: await putKeystore(await serverLeaf()) },
      tls: { minVersion: 'TLS1.3' },
    });
    expect(await askTls({ headers: withToken })).toMatchObject({ status: 200 });
    await expect(askTls({ headers: withToken, maxVersion: 'TLSv1.2' })).rejects.toMatchObject({
      message: expect.stringContaining('alert protocol version'),
    });
  });

  test('[BM-21] are shown the new certificate once the file holds another; a bad file keeps the old one', async () => {
    const first = await serverLeaf();
    const second = await serverLeaf();
    const keystore = { file: await putKeystore(first) };
    const api = await start({ tokenFile: await putToken(), keystore });
    const shown = async () => {
      const socket = connect({ host: '127.0.0.1', port, ca: authority.rootPem });
      await once(socket, 'secureConnect');
      const pem = socket.getPeerX509Certificate()?.toString();
      socket.destroy();
      return pem;
    };
    expect(await shown()).toBe(first.parts[0]);
    await put('keystore.pem', 'no keystore');
    await api.refresh();
    expect(await fileProblems()).toEqual([
      expect.stringMatching(/^localApi\.tcp\.keystore\.file: /),
    ]);
    expect(await shown()).toBe(first.parts[0]);
    await putKeystore(second);
    await api.refresh();
    expect(await shown()).toBe(second.parts[0]);
    expect(await fileProblems()).toEqual([]);
  });
});

describe('[A7-21] [BM-13] programs on TCP with mutual TLS', () => {
  let api: LocalApiAlone['api'];
  beforeEach(async () => {
    api = await start({
      clientNames: ['spiffe://shop.example/jobs', NAME],
      keystore: { file: await putKeystore(await serverLeaf()) },
      truststore: { file: await put('truststore.pem', authority.rootPem) },
    });
  });
  const by = async (leaf: Promise<IssuedLeaf>) => {
    const { chain: cert, key } = await leaf;
    return askTls({ cert, key });
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
    ['without a certificate', () => askTls()],
    ['by one of another CA', () => by(clientLeaf(NAME, stranger))],
    ['by one that is not for clients', () => by(clientLeaf(NAME, authority, 'serverAuth'))],
  ])('get no connection %s', async (_, attempt) => {
    await expect(attempt()).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_SSL|^ECONN/),
    });
  });

  test('are cut off once the CA that let them in is trusted no longer', async () => {
    const { chain: cert, key } = await clientLeaf();
    const sent = httpsRequest({ ...at('/v1/watch'), ca: authority.rootPem, cert, key });
    sent.end();
    const [stream]: IncomingMessage[] = await once(sent, 'response');
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    stream
      ?.resume()
      .once('error', () => {})
      .once('close', end);
    await put('truststore.pem', stranger.rootPem);
    await api.refresh();
    await ended;
    await expect(askTls({ cert, key })).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_SSL|^ECONN/),
    });
    expect(await by(clientLeaf(NAME, stranger))).toMatchObject({ status: 200 });
  });
});

test('[A7-21] programs that begin no handshake keep no other out', async () => {
  await start({
    tokenFile: await putToken(),
    keystore: { file: await putKeystore(await serverLeaf()) },
  });
  const silent = Array.from({ length: 100 }, () =>
    connectTcp(port, '127.0.0.1')
      .on('error', () => {})
      .resume(),
  );
  expect(await askTls({ headers: withToken })).toMatchObject({ status: 200 });
  const cutOff = () => silent.filter(({ destroyed }) => destroyed).length;
  // Long before their handshakes take too long.
  await until(() => cutOff() > 0, 2_000);
  expect(cutOff()).toBeLessThan(silent.length);
  for (const socket of silent) socket.destroy();
});

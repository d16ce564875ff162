import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { connect } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Issuer } from '@sallyport/tls/test/issuer';
import { startDaemon, until } from './harness.ts';
import { LocalApiAlone } from './local-api-alone.ts';
import { authority, ProgramsOnTcp, serverLeaf, token, withToken } from './programs-on-tcp.ts';

const stranger = await Issuer.root('CN=Another CA');
const secret = '/v1/secrets/db/password';
let programs: ProgramsOnTcp;
beforeAll(async () => {
  programs = await ProgramsOnTcp.create();
});
afterEach(() => programs.stop());
afterAll(() => programs[Symbol.asyncDispose]());

test('[A7-21] [SG-38] there is no TCP listener unless its address is set', async () => {
  await using _local = await LocalApiAlone.start(programs.double, programs.enrolled, {
    socket: programs.enrolled.socket,
  });
  await expect(programs.ask(withToken)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

describe('[A7-21] [SG-24] [SG-38] programs on TCP without TLS', () => {
  let api: LocalApiAlone['api'];
  beforeEach(async () => {
    api = await programs.start({ tokenFile: await programs.putToken() });
  });

  test('are served what is allowed there, by their token', async () => {
    expect(await programs.ask(withToken)).toMatchObject({ status: 200, body: { value: 's3cret' } });
    expect(await programs.ask({ ...withToken, host: `localhost:${programs.port}` })).toMatchObject({
      status: 200,
    });
    expect(await programs.ask(withToken, '/v1/secrets/api/key')).toMatchObject({
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
      const refused = await programs.ask(headers, path);
      expect(refused).toMatchObject({ status: 401, body: { code: 'request.unauthenticated' } });
      expect(refused.headers['www-authenticate']).toBe('X-Sallyport-Token');
    }
  });

  test.each(['x-forwarded-for', 'x-forwarded-host', 'forwarded', 'via'])(
    'are refused with the header %s, which proxies add, whatever the token',
    async (header) => {
      expect(await programs.ask({ ...withToken, [header]: '127.0.0.1' })).toMatchObject({
        status: 403,
        body: { code: 'request.forwarded' },
      });
    },
  );

  const foreign = ['evil.example', 'localhost.evil.example', '10.0.0.1', '127.0.0.1:1', '[::2]'];
  test.each(foreign)('are refused with the host %j, whatever the token', async (host) => {
    expect(await programs.ask({ ...withToken, host })).toMatchObject({
      status: 421,
      body: { code: 'request.foreign_host' },
    });
  });

  test('are let in by the new token once the file holds another, and by the old one no longer', async () => {
    const next = randomBytes(24).toString('hex');
    await programs.putToken(next);
    await api.refresh();
    expect((await programs.ask({ 'x-sallyport-token': next })).status).toBe(200);
    expect((await programs.ask(withToken)).status).toBe(401);
  });

  test('are let in by the token there was while the file cannot be used, which health tells', async () => {
    await programs.putToken('short');
    await api.refresh();
    expect(await programs.fileProblems()).toEqual([
      expect.stringContaining('holds no token of 32 to 512'),
    ]);
    expect((await programs.ask(withToken)).status).toBe(200);
    await programs.putToken();
    await api.refresh();
    expect(await programs.fileProblems()).toEqual([]);
  });
});

test('[A7-21] the running agent looks at the token file by itself', async () => {
  const localApi = programs.settings({ tokenFile: await programs.putToken() });
  await using _daemon = await startDaemon({ ...programs.enrolled, localApi });
  const next = randomBytes(24).toString('hex');
  await programs.putToken(next);
  await until(async () => (await programs.ask({ 'x-sallyport-token': next })).status !== 401);
});

describe('[A7-21] programs on TCP with TLS', () => {
  test('are served by their token over TLS that shows the agent’s certificate, and not without TLS', async () => {
    await programs.start({
      tokenFile: await programs.putToken(),
      keystore: { file: await programs.putKeystore(await serverLeaf()) },
    });
    expect(await programs.askTls({ headers: withToken })).toMatchObject({
      status: 200,
      body: { value: 's3cret' },
    });
    expect(await programs.askTls()).toMatchObject({ status: 401 });
    await expect(programs.ask(withToken)).rejects.toMatchObject({ code: 'ECONNRESET' });
    await expect(
      programs.askTls({ headers: withToken, ca: stranger.rootPem }),
    ).rejects.toMatchObject({
      code: 'SELF_SIGNED_CERT_IN_CHAIN',
    });
  });

  test('[AX-05] negotiate what localApi.tcp.tls allows, and nothing older', async () => {
    await programs.start({
      tokenFile: await programs.putToken(),
      keystore: { file: await programs.putKeystore(await serverLeaf()) },
      tls: { minVersion: 'TLS1.3' },
    });
    expect(await programs.askTls({ headers: withToken })).toMatchObject({ status: 200 });
    await expect(
      programs.askTls({ headers: withToken, maxVersion: 'TLSv1.2' }),
    ).rejects.toMatchObject({
      message: expect.stringContaining('alert protocol version'),
    });
  });

  test('[BM-21] are shown the new certificate once the file holds another; a bad file keeps the old one', async () => {
    const first = await serverLeaf();
    const second = await serverLeaf();
    const keystore = { file: await programs.putKeystore(first) };
    const api = await programs.start({ tokenFile: await programs.putToken(), keystore });
    const shown = async () => {
      const socket = connect({ host: '127.0.0.1', port: programs.port, ca: authority.rootPem });
      await once(socket, 'secureConnect');
      const pem = socket.getPeerX509Certificate()?.toString();
      socket.destroy();
      return pem;
    };
    expect(await shown()).toBe(first.parts[0]);
    await programs.put('keystore.pem', 'no keystore');
    await api.refresh();
    expect(await programs.fileProblems()).toEqual([
      expect.stringMatching(/^localApi\.tcp\.keystore\.file: /),
    ]);
    expect(await shown()).toBe(first.parts[0]);
    await programs.putKeystore(second);
    await api.refresh();
    expect(await shown()).toBe(second.parts[0]);
    expect(await programs.fileProblems()).toEqual([]);
  });
});

test('[A7-21] programs that begin no handshake keep no other out', async () => {
  await programs.start({
    tokenFile: await programs.putToken(),
    keystore: { file: await programs.putKeystore(await serverLeaf()) },
  });
  const silent = Array.from({ length: 100 }, () =>
    connectTcp(programs.port, '127.0.0.1')
      .on('error', () => {})
      .resume(),
  );
  expect(await programs.askTls({ headers: withToken })).toMatchObject({ status: 200 });
  const cutOff = () => silent.filter(({ destroyed }) => destroyed).length;
  // Long before their handshakes take too long.
  await until(() => cutOff() > 0, 2_000);
  expect(cutOff()).toBeLessThan(silent.length);
  for (const socket of silent) socket.destroy();
});

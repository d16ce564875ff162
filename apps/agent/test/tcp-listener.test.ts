import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { listensOnTcp, localApiSettings } from '../src/local-api-settings.ts';
import { HeaderToken } from '../src/local-api/header-token.ts';
import { responseTo, startDaemon, until } from './harness.ts';
import type { LocalApiAlone } from './local-api-alone.ts';
import { ProgramsOnTcp, token, withToken } from './programs-on-tcp.ts';
import { contentsBelow } from './references/disk.ts';

const secret = '/v1/secrets/db/password';
let programs: ProgramsOnTcp;
beforeAll(async () => {
  programs = await ProgramsOnTcp.create();
});
afterEach(() => programs.stop());
afterAll(() => programs[Symbol.asyncDispose]());

test('[A7-21] [SG-38] there is no TCP listener unless its address is set', async () => {
  const { tcp } = localApiSettings.parse({ tcp: { tokenFile: '/run/token' } });
  expect(listensOnTcp(tcp)).toBe(false);
  await programs.start({ address: undefined, tokenFile: await programs.putToken() });
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

  test.each([
    'x-forwarded-for',
    'x-forwarded-proto',
    'forwarded',
    'via',
    'x-real-ip',
    'origin',
    'sec-fetch-site',
  ])(
    'are refused with the header %s, which proxies and browsers add, whatever the token',
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

  test('that watch are cut off once their token is replaced', async () => {
    const sent = request({ ...programs.at('/v1/watch'), headers: withToken });
    const stream = await responseTo(sent);
    const ended = new Promise((resolve) =>
      stream
        .resume()
        .once('error', () => {})
        .once('close', resolve),
    );
    await api.refresh();
    expect(stream.destroyed).toBe(false);
    await programs.putToken(randomBytes(24).toString('hex'));
    await api.refresh();
    await ended;
  });

  test('that are not let in get no second try over the same connection, and keep none open', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sent = request({ ...programs.at('/healthz'), agent });
    const { statusCode, headers } = await responseTo(sent);
    expect({ statusCode, connection: headers.connection }).toEqual({
      statusCode: 401,
      connection: 'close',
    });
    agent.destroy();
    const letIn = await responseTo(request({ ...programs.at('/v1/watch'), headers: withToken }));
    letIn.on('error', () => {});
    const silent = Array.from({ length: 600 }, () =>
      connectTcp(programs.port, '127.0.0.1')
        .on('error', () => {})
        .resume(),
    );
    await Promise.all(silent.slice(-1).map((last) => once(last, 'connect')));
    expect((await programs.ask(withToken)).status).toBe(200);
    expect(letIn.destroyed).toBe(false);
    for (const socket of [letIn, ...silent]) socket.destroy();
  });

  test('are let in by no file that everybody may read, wherever it is', async () => {
    const path = await mkdtemp('/dev/shm/token-');
    const tokenFile = join(path, 'token');
    await writeFile(tokenFile, withToken['x-sallyport-token'], { mode: 0o644 });
    await chmod(tokenFile, 0o644);
    await expect(HeaderToken.open(tokenFile)).rejects.toMatchObject({ code: 'token_file.unsafe' });
    await chmod(tokenFile, 0o640);
    expect(await HeaderToken.open(tokenFile)).toBeInstanceOf(HeaderToken);
    await rm(path, { recursive: true });
  });

  test('are let in by the token there was while the file cannot be used, which health tells', async () => {
    await programs.putToken('short');
    await api.refresh();
    expect(await programs.fileProblems()).toEqual([
      expect.stringMatching(
        /holds no token of 32 to 512 .* — make one with: openssl .* by itself\. What it held before still counts\.$/,
      ),
    ]);
    expect((await programs.ask(withToken)).status).toBe(200);
    await programs.putToken();
    await api.refresh();
    expect(await programs.fileProblems()).toEqual([]);
  });
});

test('[A7-21] [AX-20] the running agent looks at the token file by itself, and no token that it was shown leaves it', async () => {
  const localApi = programs.settings({ tokenFile: await programs.putToken() });
  await using daemon = await startDaemon({ ...programs.enrolled, localApi });
  await daemon.untilSecret('db/password', 's3cret');
  const next = randomBytes(24).toString('hex');
  await programs.putToken(next);
  await until(async () => (await programs.ask({ 'x-sallyport-token': next })).status === 200);
  expect((await programs.ask(withToken)).status).toBe(401);
  await daemon.stop();
  await using _again = await startDaemon(programs.enrolled);
  await until(() => JSON.stringify(programs.double.reports).includes('agent:stop'));
  const kept = await contentsBelow(programs.enrolled.home.path);
  const places = JSON.stringify([kept, daemon.log, programs.double.received]);
  expect(places).toContain('value:read');
  for (const shown of [token, next]) expect(places).not.toContain(shown);
});

import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createClock, type TestClock } from '@sallyport/testkit/clock';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { agentConfig } from '../../src/config.ts';
import { AzurePeer } from './azure-peer.ts';
import { Guarded } from './guarded.ts';

const URI = 'azure-kv://shop/db-password';
let home: TempDirectory;
let azure: AzurePeer;
let clock: TestClock;
/** How much further the wall clock is. */
let pausedMs: number;
let guarded: Guarded | undefined;
beforeEach(async () => {
  home = await createTempDirectory('azure');
  azure = await AzurePeer.start();
  azure.put('db-password', 'first');
  clock = createClock();
  pausedMs = 0;
});
afterEach(async () => {
  await guarded?.[Symbol.asyncDispose]();
  guarded = undefined;
  await azure[Symbol.asyncDispose]();
  await home.remove();
});

async function put(name: string, text: string): Promise<string> {
  const file = join(home.path, name);
  await writeFile(file, text, { mode: 0o600 });
  return file;
}

async function agentWith(settings: Record<string, unknown>): Promise<Guarded> {
  const truststore = { file: await put('ca.pem', azure.peer.ca) };
  const { url } = azure.peer;
  const own = { tenantId: 'contoso.example', clientId: 'agent', loginUrl: url };
  const azureKv = { vaults: { shop: url }, truststore, ...own, ...settings };
  const monotonic = () => clock.now();
  const now = () => clock.now() + pausedMs;
  guarded = new Guarded({ settings: { azureKv }, env: {} }, { clock: { now, monotonic } });
  return guarded;
}

const bySecret = async () =>
  agentWith({ auth: 'client-secret', clientSecretFile: await put('secret', 'entra-secret') });
const logins = () => azure.peer.askedFor('/contoso.example/');
const errorOf = (read: Promise<string>) => read.catch((error: unknown) => error);

describe('[AT-05] [AT-13] Azure is logged in to', () => {
  test('once for any number of reads, and again shortly before the token ends', async () => {
    const agent = await bySecret();
    await Promise.all(Array.from({ length: 20 }, () => agent.read(URI)));
    clock.advance(3_400_000);
    await agent.read(URI);
    expect(logins()).toHaveLength(1);
    clock.advance(100_000);
    await agent.read(URI);
    expect(logins()).toHaveLength(2);
  });

  test('[F-08] again where the wall clock alone tells that the token has ended, as after a pause of the whole machine', async () => {
    const agent = await bySecret();
    await agent.read(URI);
    pausedMs = 3_500_000;
    await agent.read(URI);
    expect(logins()).toHaveLength(2);
  });

  test('by the token of a workload', async () => {
    const federatedTokenFile = await put('pod-token', 'pod.token.x');
    const agent = await agentWith({ auth: 'workload-identity', federatedTokenFile });
    expect(await agent.read(URI)).toBe('first');
  });

  test('by the identity of the machine', async () => {
    const server = createServer(({ url, headers }, response) => {
      const { pathname, searchParams } = new URL(url ?? '', 'http://localhost');
      const isGood =
        headers['metadata'] === 'true' &&
        pathname === '/metadata/identity/oauth2/token' &&
        searchParams.get('resource') === 'https://vault.azure.net';
      response.statusCode = isGood ? 200 : 400;
      response.end(JSON.stringify({ access_token: azure.mintToken(), expires_in: '86399' }));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const identityEndpoint = `http://127.0.0.1:${port}`;
    const agent = await agentWith({ auth: 'managed-identity', identityEndpoint });
    expect(await agent.read(URI)).toBe('first');
    server.close();
    await once(server, 'close');
    azure.endTokens();
    expect(await errorOf(agent.read(URI))).toMatchObject({ code: 'reference.denied' });
    expect(await errorOf(agent.read(URI))).toMatchObject({ code: 'reference.unreachable' });
  });

  test.each([
    [429, {}, 'reference.rate_limited', 7_000],
    [503, {}, 'reference.unreachable', 7_000],
    [404, {}, 'reference.unreachable', 7_000],
    [400, {}, 'reference.denied', undefined],
    [418, {}, 'reference.failed', undefined],
    [200, 'canary', 'reference.failed', undefined],
    [200, { access_token: 'canary\n', expires_in: 60 }, 'reference.failed', undefined],
    [200, 'canary'.repeat(20_000), 'reference.failed', undefined],
  ])('not by a machine that answers %d', async (status, text, code, retryAfterMs) => {
    const server = createServer((_, response) => {
      response.writeHead(status, { 'retry-after': '7' });
      response.end(text === 'canary' ? text : JSON.stringify(text));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const identityEndpoint = `http://127.0.0.1:${port}`;
    const agent = await agentWith({ auth: 'managed-identity', identityEndpoint });
    const error = await errorOf(agent.read(URI));
    server.close();
    await once(server, 'close');
    expect(error).toMatchObject({ code, retryAfterMs });
    expect(JSON.stringify([error, String(error)])).not.toContain('canary');
  });

  test('[F-23] not by a machine that goes on in another protocol, and is asked again', async () => {
    const server = createServer(({ socket }) =>
      socket.end('HTTP/1.1 101 Go on\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n'),
    );
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const identityEndpoint = `http://127.0.0.1:${port}`;
    const agent = await agentWith({ auth: 'managed-identity', identityEndpoint });
    const refused = { code: 'reference.failed' };
    expect(await errorOf(agent.read(URI))).toMatchObject(refused);
    expect(await errorOf(agent.read(URI))).toMatchObject(refused);
    server.close();
    await once(server, 'close');
  });

  test('not with a wrong secret, which is told without it', async () => {
    const clientSecretFile = await put('secret', 'another-secret');
    const agent = await agentWith({ auth: 'client-secret', clientSecretFile });
    const error = await errorOf(agent.read(URI));
    expect(error).toMatchObject({ code: 'reference.denied', retryable: true });
    expect(JSON.stringify([error, String(error)])).not.toContain('another-secret');
  });

  test('again after a token was refused', async () => {
    const agent = await bySecret();
    await agent.read(URI);
    azure.endTokens();
    await errorOf(agent.read(URI));
    expect(await agent.read(URI)).toBe('first');
  });
});

describe('[AT-13] a vault of Azure', () => {
  test('is read in the version that is asked for', async () => {
    azure.put('db-password', 'second');
    const agent = await bySecret();
    expect(await agent.read(`${URI}?version=1`)).toBe('first');
    expect(await agent.read(URI)).toBe('second');
  });

  test('that is not listed is not asked, nor is the agent’s token shown to it', async () => {
    const agent = await bySecret();
    expect(await errorOf(agent.read('azure-kv://elsewhere/db-password'))).toMatchObject({
      code: 'reference.denied',
    });
    expect(azure.peer.asked).toEqual([]);
  });

  test('is not asked by plain HTTP, and the identity endpoint is nowhere else', () => {
    const vaults = { shop: 'http://shop.vault.azure.net' };
    const plain = { vaults, auth: 'managed-identity' };
    const away = { vaults: {}, auth: 'managed-identity', identityEndpoint: 'http://evil.example' };
    for (const azureKv of [plain, away])
      expect(agentConfig.safeParse({ references: { azureKv } }).success).toBe(false);
  });
});

import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createClock, type TestClock } from '@sallyport/testkit/clock';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { silentLog, type Log } from '../../src/log.ts';
import { Guarded } from './guarded.ts';
import { VaultPeer } from './vault-peer.ts';

const URI = 'vault://kv/shop/db#password';
let home: TempDirectory;
let vault: VaultPeer;
let clock: TestClock;
let guarded: Guarded | undefined;
const warned: unknown[] = [];
const log: Log = { ...silentLog, warn: ({ detail }) => void warned.push(detail) };
beforeEach(async () => {
  home = await createTempDirectory('vault');
  vault = await VaultPeer.start();
  vault.put('shop/db', { user: 'shop', password: 'first' });
  clock = createClock();
  warned.length = 0;
});
afterEach(async () => {
  await guarded?.[Symbol.asyncDispose]();
  guarded = undefined;
  await vault[Symbol.asyncDispose]();
  await home.remove();
});

async function put(name: string, text: string): Promise<string> {
  const file = join(home.path, name);
  await writeFile(file, text, { mode: 0o600 });
  return file;
}

async function agentWith(settings: Record<string, unknown>): Promise<Guarded> {
  const truststore = { file: await put('ca.pem', vault.peer.ca) };
  const monotonic = () => clock.now();
  guarded = new Guarded(
    { settings: { vault: { url: vault.peer.url, truststore, ...settings } }, env: {} },
    { clock: { now: monotonic, monotonic }, log },
  );
  return guarded;
}

async function byAppRole(): Promise<Guarded> {
  const secretIdFile = await put('secret-id', 'the-id\n');
  return agentWith({ auth: 'approle', roleId: 'shop', secretIdFile });
}

const logins = () => vault.peer.asked.filter(({ path }) => path.endsWith('/login'));
const renewals = () => vault.peer.askedFor('/v1/auth/token/renew-self');
const reads = () => vault.peer.askedFor('/v1/kv/data/');
const errorOf = (read: Promise<string>) => read.catch((error: unknown) => error);

describe('[AT-05] [AT-13] Vault is logged in to', () => {
  test('by AppRole, once for any number of reads at a time', async () => {
    const agent = await byAppRole();
    const values = await Promise.all(Array.from({ length: 20 }, () => agent.read(URI)));
    expect(new Set(values)).toEqual(new Set(['first']));
    expect(logins().map(({ path }) => path)).toEqual(['/v1/auth/approle/login']);
  });

  test('by Kubernetes, with the token of the service account, at a mount of its own', async () => {
    const serviceAccountTokenFile = await put('pod-token', 'pod.token.x');
    const agent = await agentWith({
      auth: 'kubernetes',
      authMount: 'teams/k8s',
      role: 'shop',
      serviceAccountTokenFile,
    });
    expect(await agent.read(URI)).toBe('first');
  });

  test('by a TLS certificate', async () => {
    const { chain, key } = await vault.peer.issuer.leaf({ cn: 'edge-1', usages: ['clientAuth'] });
    const agent = await agentWith({
      auth: 'cert',
      keystore: { file: await put('own.pem', key + chain + vault.peer.ca) },
    });
    expect(await agent.read(URI)).toBe('first');
    expect(logins()).toMatchObject([{ client: 'edge-1', path: '/v1/auth/cert/login' }]);
  });

  test('by a token of a file, and by the next one once that is there', async () => {
    const tokenFile = await put('token', vault.mintToken());
    const agent = await agentWith({ auth: 'token', tokenFile });
    expect(await agent.read(URI)).toBe('first');
    vault.tokens.clear();
    await put('token', vault.mintToken());
    expect(await agent.read(URI)).toBe('first');
  });

  test('in its namespace, login and reads', async () => {
    await vault[Symbol.asyncDispose]();
    vault = await VaultPeer.start('team/shop');
    vault.put('shop/db', { password: 'of the team' });
    const secretIdFile = await put('secret-id', 'the-id');
    const settings = { auth: 'approle', roleId: 'shop', secretIdFile };
    const agent = await agentWith({ ...settings, namespace: 'team/shop' });
    expect(await agent.read(URI)).toBe('of the team');
    await agent[Symbol.asyncDispose]();
    const outside = await agentWith(settings);
    expect(await errorOf(outside.read(URI))).toMatchObject({ code: 'reference.denied' });
  });

  test.each([
    ['a wrong secret id', 'another-id'],
    ['no secret id', undefined],
  ])('not with %s, which is told without it', async (_, text) => {
    const secretIdFile = join(home.path, 'secret-id');
    if (text !== undefined) await put('secret-id', text);
    const agent = await agentWith({ auth: 'approle', roleId: 'shop', secretIdFile });
    const error = await errorOf(agent.read(URI));
    expect(error).toMatchObject({
      code: text === undefined ? 'reference.failed' : 'reference.denied',
    });
    expect(JSON.stringify([error, String(error)])).not.toContain('another-id');
    expect(reads()).toEqual([]);
  });

  test('not with a file that others may read, which is told with the command that mends it', async () => {
    const agent = await byAppRole();
    await chmod(join(home.path, 'secret-id'), 0o644);
    expect(await errorOf(agent.read(URI))).toMatchObject({
      code: 'reference.failed',
      advice: expect.stringContaining('chmod o-rwx'),
    });
  });
});

describe('[AT-05] a token of Vault', () => {
  test('is renewed late in its life, and not before', async () => {
    vault.grants = { ttl: 300, renewable: true };
    const agent = await byAppRole();
    await agent.read(URI);
    clock.advance(199_000);
    await agent.read(URI);
    expect(renewals()).toEqual([]);
    clock.advance(2_000);
    await agent.read(URI);
    expect([logins().length, renewals().length]).toEqual([1, 1]);
  });

  test('that cannot be renewed is replaced before it ends', async () => {
    vault.grants = { ttl: 300, renewable: false };
    const agent = await byAppRole();
    await agent.read(URI);
    clock.advance(201_000);
    await agent.read(URI);
    expect([logins().length, renewals().length]).toEqual([2, 0]);
  });

  test('that has ended meanwhile, or is at its longest, is replaced', async () => {
    vault.grants = { ttl: 300, renewable: true };
    const agent = await byAppRole();
    await agent.read(URI);
    clock.advance(301_000);
    await agent.read(URI);
    expect([logins().length, renewals().length]).toEqual([2, 0]);
    for (const token of vault.tokens.values()) token.renewable = false;
    clock.advance(201_000);
    await agent.read(URI);
    expect([logins().length, renewals().length]).toEqual([3, 1]);
  });

  test('that has less than a second left of its longest when it is renewed is replaced', async () => {
    vault.grants = { ttl: 300, renewable: true };
    const agent = await byAppRole();
    await agent.read(URI);
    for (const token of vault.tokens.values()) token.ttl = 0;
    clock.advance(201_000);
    await agent.read(URI);
    expect([logins().length, renewals().length]).toEqual([2, 1]);
  });

  test('that Vault cannot renew now is used until it ends', async () => {
    vault.grants = { ttl: 300, renewable: true };
    const agent = await byAppRole();
    await agent.read(URI);
    clock.advance(201_000);
    vault.peer.failNext({ status: 503 });
    expect(await agent.read(URI)).toBe('first');
    await agent.read(URI);
    expect([logins().length, renewals().length]).toEqual([1, 2]);
  });

  test('of a file that is renewable is renewed, too', async () => {
    const tokenFile = await put('token', vault.mintToken({ ttl: 300, renewable: true }));
    const agent = await agentWith({ auth: 'token', tokenFile });
    await agent.read(URI);
    clock.advance(201_000);
    await agent.read(URI);
    expect(renewals()).toHaveLength(1);
  });

  test('[AT-11] that was revoked is replaced at once, and the read succeeds', async () => {
    const agent = await byAppRole();
    await agent.read(URI);
    vault.tokens.clear();
    clock.advance(11_000);
    expect(await agent.read(URI)).toBe('first');
    expect(logins()).toHaveLength(2);
  });

  test('is not got anew for each thing that a policy forbids', async () => {
    vault.forbid('shop/theirs');
    const agent = await byAppRole();
    await agent.read(URI);
    for (let count = 0; count < 5; count += 1)
      expect(await errorOf(agent.read('vault://kv/shop/theirs#x'))).toMatchObject({
        code: 'reference.denied',
      });
    expect(logins()).toHaveLength(1);
  });
});

describe('[AT-12] when the agent ends, a token of Vault', () => {
  const end = async (agent: Guarded) => {
    await agent.read(URI);
    await agent[Symbol.asyncDispose]();
  };

  test('that it logged in for is revoked', async () => {
    await end(await byAppRole());
    expect([...vault.tokens]).toEqual([]);
    expect(warned).toEqual([]);
  });

  test('that it was given is left to whoever gave it', async () => {
    const token = vault.mintToken({ ttl: 300, renewable: true });
    await end(await agentWith({ auth: 'token', tokenFile: await put('token', token) }));
    expect([...vault.tokens.keys()]).toEqual([token]);
    expect(vault.peer.askedFor('/v1/auth/token/revoke-self')).toEqual([]);
  });

  test.each([
    ['does not answer', 'hang', /is not reached/],
    ['refuses it', { status: 403, json: {} }, /Vault answers 403/],
  ] as const)(
    'that it logged in for is left, and that is told, where Vault %s',
    async (...given) => {
      const [, answer, detail] = given;
      const agent = await byAppRole();
      await agent.read(URI);
      vault.peer.failNext(answer);
      const begunAt = performance.now();
      await agent[Symbol.asyncDispose]();
      expect(performance.now() - begunAt).toBeLessThan(10_000);
      expect(vault.tokens.size).toBe(1);
      expect(warned).toEqual([expect.stringMatching(detail)]);
    },
  );
});

describe('[AT-13] what Vault keeps', () => {
  test('is read in the version that is asked for, and in no other', async () => {
    vault.put('shop/db', { password: 'second' });
    const agent = await byAppRole();
    expect(await agent.read('vault://kv/shop/db?version=1#password')).toBe('first');
    expect(await agent.read(URI)).toBe('second');
    expect(await errorOf(agent.read('vault://kv/shop/db?version=3#password'))).toMatchObject({
      code: 'reference.not_found',
    });
  });

  test('is read whole as JSON where no field is named, and a name may have any characters', async () => {
    vault.put('shop/a b/ü', { user: 'shop' });
    const agent = await byAppRole();
    expect(await agent.read('vault://kv/shop/a%20b/%C3%BC')).toBe('{"user":"shop"}');
  });

  test('is read as it stands there, numbers to the last digit', async () => {
    const agent = await byAppRole();
    await agent.read(URI);
    const uri = 'vault://kv/shop/db';
    const body =
      '{"data": {"data": {"id": 12345678901234567890, "rate": 1.10, "text": "\\u00fc"}}}';
    const read = (what: string) => {
      vault.peer.failNext({ status: 200, text: body });
      return agent.read(`${uri}${what}`);
    };
    expect(await read('#id')).toBe('12345678901234567890');
    expect(await read('#rate')).toBe('1.10');
    expect(await read('#text')).toBe('ü');
    expect(await read('')).toBe('{"id":12345678901234567890,"rate":1.10,"text":"\\u00fc"}');
  });

  test.each(['{"data": {"data": [1]}}', '{"data": {"data": null}}', '{"data": {}}', '{"data": '])(
    'is not %s, which no KV engine of version 2 answers',
    async (body) => {
      const agent = await byAppRole();
      await agent.read(URI);
      vault.peer.failNext({ status: 200, text: body });
      expect(await errorOf(agent.read(URI))).toMatchObject({ code: 'reference.failed' });
    },
  );
});

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { access, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTcpGate } from '@sallyport/testkit/tcp-gate';
import { Installation, type Replica } from '../fixtures/installation.ts';
import { outcomeOf } from '../fixtures/program.ts';

let installation: Installation;
let running: Replica;
beforeAll(async () => {
  installation = await Installation.create();
  running = await installation.startReplica('running');
});
afterAll(() => installation.end());

/** The words of a control plane that must not start: one line that is no log line, and no stack. */
async function refusalOf(change: Record<string, string>): Promise<{ code: unknown; said: string }> {
  const environment = { ...(await installation.replicaEnvironment('refused')), ...change };
  const { code, stdout, stderr } = await outcomeOf(
    installation.start('control-plane', [], environment),
  );
  expect(stdout).toBe('');
  const said = stderr.split('\n').filter((line) => !line.startsWith('{'));
  expect(said).toHaveLength(1);
  expect(stderr).not.toMatch(/^\s+at /m);
  return { code, said: said[0] ?? '' };
}

describe('a control plane that cannot start says why in one line, and exits', () => {
  test('a port in use: which one, and what to set', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    const port = String(typeof address === 'object' ? address?.port : '');
    const { code, said } = await refusalOf({ SALLYPORT_AGENT_API_PORT: port });
    taken.close();
    expect({ code, said }).toEqual({
      code: 1,
      said: `sallyport-server: 127.0.0.1:${port} is in use by another program; stop that, or set agentApi.host and agentApi.port`,
    });
  });

  test('[A7-10] another root key than the database’s: never its bytes', async () => {
    const file = join(installation.folder, 'another-key');
    const key = randomBytes(32).toString('base64');
    await writeFile(file, key, { mode: 0o600 });
    const { code, said } = await refusalOf({ SALLYPORT_ROOT_KEY_FILE: file });
    expect(code).toBe(1);
    expect(said).toMatch(/root key is not the one of this database/);
    expect(said).not.toContain(key);
  });

  test('a database that is down: where to look, and never its password', async () => {
    const { code, said } = await refusalOf({
      DATABASE_URL: 'postgresql://sallyport:hidden-word@127.0.0.1:1/sallyport',
    });
    expect(code).toBe(1);
    expect(said).toMatch(
      /the database cannot be reached \(ECONNREFUSED\); check DATABASE_OWNER_URL, or DATABASE_URL/,
    );
    expect(said).not.toContain('hidden-word');
  });

  test('[AX-26] [AX-10] a password in plain text in its file, and weak suites of any link, are warned of before that, by the key and never the value', async () => {
    const file = join(installation.folder, 'server.yaml');
    const url = 'postgresql://sallyport:hidden-word@127.0.0.1:1/sallyport';
    await writeFile(file, `database: { url: '${url}' }\n`, { mode: 0o600 });
    const { DATABASE_URL: _, ...environment } = await installation.replicaEnvironment('refused');
    const links = ['database', 'redis', 'operatorApi', 'agentApi', 'dialer'];
    const weak = links.map((link) => [
      `SALLYPORT_${link.replace('Api', '_API').toUpperCase()}_TLS_CIPHER_SUITES`,
      'TLS_AES_256_GCM_SHA384,TLS_RSA_WITH_AES_128_CBC_SHA',
    ]);
    const started = installation.start('control-plane', ['--config', file], {
      ...environment,
      ...Object.fromEntries(weak),
    });
    const { code, stderr } = await outcomeOf(started);
    expect(code).toBe(1);
    for (const link of links)
      expect(stderr).toContain(`"reason":"${link}.tls.cipherSuites: weak suites are allowed`);
    expect(stderr).toMatch(/"reason":"database\.url[^"\n]* in plain text/);
    expect(stderr).not.toContain('hidden-word');
  });

  test('a Redis that is down: where to look, and never its password', async () => {
    const { code, said } = await refusalOf({ REDIS_URL: 'redis://:hidden-word@127.0.0.1:1' });
    expect(code).toBe(1);
    expect(said).toMatch(/Redis cannot be reached \(ECONNREFUSED\); check REDIS_URL/);
    expect(said).not.toContain('hidden-word');
  });

  test('a root key that others can read: the command that mends it', async () => {
    const folder = join(installation.folder, 'loose');
    await mkdir(folder);
    await writeFile(join(folder, 'root-key'), randomBytes(32).toString('base64'), { mode: 0o644 });
    const environment = await installation.replicaEnvironment('loose');
    const { SALLYPORT_ROOT_KEY_FILE: _, ...withoutKey } = environment;
    const { code, stderr } = await outcomeOf(installation.start('control-plane', [], withoutKey));
    expect(code).toBe(1);
    expect(stderr).toContain(`run: chmod 600 ${join(folder, 'root-key')}`);
  });

  test('a data folder or a root key that cannot be used: whose it is to be', async () => {
    await writeFile(join(installation.folder, 'no-folder'), '');
    await mkdir(join(installation.folder, 'no-key', 'root-key'), { recursive: true, mode: 0o700 });
    const refusals = ['no-folder', 'no-key'].map(async (folder) => {
      const environment = await installation.replicaEnvironment(folder);
      const { SALLYPORT_ROOT_KEY_FILE: _, ...withoutKey } = environment;
      return outcomeOf(installation.start('control-plane', [], withoutKey));
    });
    const wayOut = 'run this as the user that the data folder belongs to, or set dataDir';
    expect((await Promise.all(refusals)).map(({ code, stderr }) => ({ code, stderr }))).toEqual([
      {
        code: 1,
        stderr: `sallyport-server: ${installation.folder}/no-folder cannot be used (EEXIST); ${wayOut}`,
      },
      {
        code: 1,
        stderr: `sallyport-server: ${installation.folder}/no-key/root-key cannot be used (EISDIR); ${wayOut}`,
      },
    ]);
  });
});

test('[BM-06] a keystore that is no good is refused by its key, before the database is asked', async () => {
  const { code, stderr } = await outcomeOf(
    installation.start('control-plane', [], {
      ...(await installation.replicaEnvironment('refused')),
      DATABASE_URL: 'postgresql://sallyport:hidden-word@127.0.0.1:1/sallyport',
      SALLYPORT_DIALER_KEYSTORE_FILE: join(installation.folder, 'no-keystore'),
    }),
  );
  expect(code).toBe(2);
  expect(stderr).toContain('dialer.keystore.file: The keystore cannot be read');
});

test('a first owner whose name nobody could sign in with is refused, as a setting and not by its value', async () => {
  const environment = await installation.replicaEnvironment('refused');
  const named = { ...environment, SALLYPORT_OWNER_NAME: 'The Boss' };
  const { code, stderr } = await outcomeOf(installation.start('control-plane', [], named));
  expect(code).toBe(2);
  expect(stderr).toMatch(/owner\.name \(SALLYPORT_OWNER_NAME\): use 1 to 64 of a-z/);
  expect(stderr).not.toContain('Boss');
});

test('what refuses to start beside it leaves a running control plane as it was', async () => {
  const owner = await installation.signIn(running);
  expect((await owner.do('GET', '/me')).body).toMatchObject({ name: 'owner' });
});

test.each(['rotate-root', 'after-restore', 'reset-owner'])(
  '%s in another folder makes no installation there',
  async (command) => {
    const folder = join(installation.folder, 'mistaken', command);
    const ended = installation.start('control-plane', [command], { SALLYPORT_DATA_DIR: folder });
    const { code, stderr } = await outcomeOf(ended);
    expect(code).toBe(1);
    expect(stderr).toContain(
      `${join(folder, 'root-key')} is not there: run this where the control`,
    );
    await expect(access(folder)).rejects.toMatchObject({ code: 'ENOENT' });
  },
);

test('told to stop while its database is silent, it stops all the same, says so in one line and exits with 0', async () => {
  const database = new URL(installation.databaseUrl);
  await using gate = await startTcpGate({ host: database.hostname, port: Number(database.port) });
  database.port = String(gate.port);
  const environment = await installation.replicaEnvironment('silent');
  const reached = { ...environment, DATABASE_URL: database.href };
  const { process } = await installation.restart({ environment: reached });
  gate.freeze();
  process.kill('SIGTERM');
  expect(await process.exited).toEqual({ code: 0, signal: null });
  const told = (words: string) => process.stderr.filter((line) => line.includes(words));
  expect(told('does not answer any more; stopped without it')).toHaveLength(1);
  expect(told('"stopped"')).toHaveLength(1);
}, 60_000);

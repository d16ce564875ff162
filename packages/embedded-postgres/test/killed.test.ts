import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { OWNER_LOCK } from '../src/ownership.ts';
import { stopSurvivor } from '../src/stop-survivor.ts';
import { GONE_AWAY } from '../src/supervise.ts';
import { allLines, announced, createHome, kill, query } from './home.ts';
import type { Home } from './home.ts';

let home: Home;
beforeAll(async () => {
  home = await createHome();
});
afterEach(() => home.endAll());
afterAll(() => home.remove());

describe('an owner that was killed', () => {
  test('leaves a server that the next owner adopts, and stops', async () => {
    const child = home.spawnOwner();
    const before = await announced(child);
    await query(before.url, 'CREATE TABLE kept AS SELECT 7 AS value');
    await kill(child);

    const server = await home.start();
    expect(server).toMatchObject({ adopted: true, url: before.url });
    expect(await query(server.url, 'SELECT value FROM kept')).toEqual([7]);
    await server.stop();
    await expect(query(server.url, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
  });

  test('leaves a server that can be ended without an owner', async () => {
    const child = home.spawnOwner();
    const { url } = await announced(child);
    await kill(child);
    await stopSurvivor(home.directory);
    await expect(query(url, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
    await stopSurvivor(home.directory);
  });
});

describe('a living owner', () => {
  test('keeps a second one out', async () => {
    const server = await home.start();
    const child = home.spawnOwner();
    const refusal = await allLines(child.stderr);
    expect(refusal).toHaveLength(1);
    expect(refusal[0]).toMatch(
      /^Another control plane is running on this data directory .*DATABASE_URL/,
    );
    expect(await query(server.url, 'SELECT 1')).toEqual([1]);
  });
});

describe('an owner that lost its connection', () => {
  test('leaves the server to the owner that it has got since, and says so', async () => {
    const server = await home.start();
    const next = await nextOwner(server.url);
    const goneAway = home.logged(GONE_AWAY);
    await query(
      server.url,
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sallyport-owner'",
    );
    await goneAway;
    await server.stop();
    expect(home.messages).toContain(
      'the embedded Postgres is left running: this process does not own it',
    );
    expect(await query(server.url, 'SELECT 1')).toEqual([1]);
    await next.end();
    expect(await home.start()).toMatchObject({ adopted: true });
  });
});

describe('a server that was killed', () => {
  test('comes back at the same address while its owner lives, with what was committed', async () => {
    const { url } = await home.start({ fsync: true });
    await query(url, 'CREATE TABLE committed AS SELECT 7 AS value');
    process.kill(await home.postmasterPid(), 'SIGKILL');
    await home.logged('the embedded Postgres is back');
    expect(home.errors).toContain(GONE_AWAY);
    expect(home.errors).not.toContain('the embedded Postgres is back');
    expect(await query(url, 'SELECT value FROM committed')).toEqual([7]);
    const child = home.spawnOwner();
    expect(await allLines(child.stderr)).toEqual([
      expect.stringContaining('Another control plane is running'),
    ]);
  });

  test('ends for good when its owner is told to stop while it is brought back', async () => {
    const server = await home.start();
    process.kill(await home.postmasterPid(), 'SIGKILL');
    await home.logged(GONE_AWAY);
    await server.stop();
    expect(await home.isRunning()).toBe(false);
    await expect(query(server.url, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
    expect(await home.start()).toMatchObject({ adopted: false });
  });

  test.each([
    [
      'names a process that is another program',
      `${process.pid}\n/\n1\n5432\n\n127.0.0.1\n1 1\nready\n`,
    ],
    ['is empty', ''],
  ])(
    'does not keep the next from starting when the postmaster.pid it left %s',
    async (_, contents) => {
      await (await home.start()).stop();
      await writeFile(join(home.directory, 'data', 'postmaster.pid'), contents);
      const server = await home.start();
      expect(server.adopted).toBe(false);
      expect(await query(server.url, 'SELECT 1')).toEqual([1]);
    },
  );
});

/** Waits in the queue for the owner's lock: the server's next owner, before any that comes back. */
async function nextOwner(url: string): Promise<pg.Client> {
  const maintenance = new URL(url);
  maintenance.pathname = '/postgres';
  const client = new pg.Client({ connectionString: maintenance.href });
  await client.connect();
  void client.query('SELECT pg_advisory_lock($1)', [OWNER_LOCK]);
  while ((await query(url, 'SELECT 1 FROM pg_locks WHERE NOT granted')).length === 0);
  return client;
}

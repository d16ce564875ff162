import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { announced, canary, createHome, kill, query } from './home.ts';
import type { Home } from './home.ts';

let home: Home;
beforeAll(async () => {
  home = await createHome();
});
afterEach(() => home.endAll());
afterAll(() => home.remove());

describe('a server of our own', () => {
  test('starts from nothing, keeps its data and its password over a restart', async () => {
    const first = await home.start();
    expect(first.adopted).toBe(false);
    await query(first.url, 'CREATE TABLE kept AS SELECT 7 AS value');
    await first.stop();
    await expect(query(first.url, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');

    const second = await home.start();
    expect(await query(second.url, 'SELECT value FROM kept')).toEqual([7]);
    expect(new URL(second.url).password).toBe(new URL(first.url).password);
  });

  test('syncs to disk unless told otherwise', async () => {
    const server = await home.start({ fsync: true });
    expect(await query(server.url, 'SHOW fsync')).toEqual(['on']);
    expect(await query(server.url, 'SHOW full_page_writes')).toEqual(['on']);
  });

  test('listens on 127.0.0.1 alone and asks everyone for the password', async () => {
    const server = await home.start();
    expect(await query(server.url, 'SHOW listen_addresses')).toEqual(['127.0.0.1']);
    expect(await query(server.url, 'SHOW unix_socket_directories')).toEqual(['']);
    const wrong = new URL(server.url);
    wrong.password = 'wrong';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toThrow('password authentication failed');
  });

  test('its folder lets nobody else in', async () => {
    await home.start();
    for (const [name, mode] of [
      ['', 0o700],
      ['password', 0o600],
      ['data', 0o700],
      ['server.log', 0o600],
    ] as const) {
      expect([name, (await stat(join(home.directory, name))).mode & 0o777]).toEqual([name, mode]);
    }
  });

  test('[A7-05] its environment holds nothing of its starter’s', async () => {
    const child = home.spawnOwner();
    await announced(child);
    const environ = await readFile(`/proc/${await home.postmasterPid()}/environ`, 'utf8');
    expect(environ).toContain('LANG=C');
    expect(environ).not.toContain(canary);
    expect(await readFile(`/proc/${child.pid}/environ`, 'utf8')).toContain(canary);
    await kill(child);
    await home.start();
  });

  test('a statement that fails leaves neither itself nor its values in server.log', async () => {
    const server = await home.start();
    await query(server.url, 'CREATE TABLE once (value text PRIMARY KEY)');
    await query(server.url, `INSERT INTO once VALUES ('${canary}')`);
    await expect(query(server.url, `INSERT INTO once VALUES ('${canary}')`)).rejects.toThrow(
      'duplicate key',
    );
    const log = await readFile(join(home.directory, 'server.log'), 'utf8');
    expect(log).toContain('duplicate key');
    expect(log).not.toContain(canary);
  });
});

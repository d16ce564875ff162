import { on } from 'node:events';
import { watch as openWatcher } from 'node:fs';
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  watch,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { findBinaries } from '../src/binaries.ts';
import { allLines, announced, asRoot, createHome, kill, query } from './home.ts';
import type { Home } from './home.ts';

let home: Home;
beforeEach(async () => {
  home = await createHome();
});
afterEach(() => home.remove());

describe('an initialisation', () => {
  test('whose owner was killed half-way leaves nothing that counts as a database', async () => {
    await mkdir(home.directory);
    const changes = watch(home.directory);
    const child = home.spawnOwner();
    for await (const { filename } of changes) if (filename?.startsWith('initialising-')) break;
    await kill(child);
    expect(await readdir(home.directory)).not.toContain('data');

    const server = await home.start();
    expect(home.messages).toContainEqual(expect.stringContaining('interrupted initialisation'));
    expect(await query(server.url, 'SELECT 1')).toEqual([1]);
  });

  test('of two that start from nothing at once exactly one owns the server', async () => {
    const contenders = [home.spawnOwner(), home.spawnOwner()];
    const winner = await Promise.race(
      contenders.map(async (child) => [child, await announced(child)] as const),
    );
    const loser = contenders.find((child) => child !== winner[0]);
    expect(await allLines(loser?.stderr ?? null)).toEqual([
      expect.stringContaining('Another control plane is running'),
    ]);
    await kill(winner[0]);
    expect(await home.start()).toMatchObject({ adopted: true, url: winner[1].url });
  });
});

describe('a start that cannot be', () => {
  test('names the folder that the server’s user may not enter, and two ways out', async () => {
    await chmod(home.home, asRoot ? 0o700 : 0o500);
    const refusal = home.start();
    await expect(refusal).rejects.toThrow(home.home);
    await expect(refusal).rejects.toThrow(
      /DATABASE_URL.*data directory|data directory.*DATABASE_URL/,
    );
  });

  test('leaves a folder alone that holds other things', async () => {
    await mkdir(home.directory, { mode: 0o755 });
    await writeFile(join(home.directory, 'thesis.txt'), '');
    await expect(home.start()).rejects.toThrow(
      'holds other things than an embedded database (thesis.txt)',
    );
    expect((await stat(home.directory)).mode & 0o777).toBe(0o755);
  });

  test('says so when the password of an existing database is gone', async () => {
    await (await home.start()).stop();
    await rm(join(home.directory, 'password'));
    await expect(home.start()).rejects.toThrow('has lost its file "password"');
  });

  test('leaves no server running that refuses the password', async () => {
    await (await home.start()).stop();
    const file = join(home.directory, 'password');
    const right = await readFile(file);
    await writeFile(file, 'another');
    await expect(home.start()).rejects.toThrow(/refuses us: password authentication failed/);
    expect(await home.isRunning()).toBe(false);
    await writeFile(file, right);
    expect(await home.start()).toMatchObject({ adopted: false });
  });

  test('leaves a server running that it did not start', async () => {
    const child = home.spawnOwner();
    const { url } = await announced(child);
    await kill(child);
    const file = join(home.directory, 'password');
    const right = await readFile(file);
    await writeFile(file, 'another');
    await expect(home.start()).rejects.toThrow(/refuses us: password authentication failed/);
    expect(await query(url, 'SELECT 1')).toEqual([1]);
    await writeFile(file, right);
    expect(await home.start()).toMatchObject({ adopted: true });
  });

  test('quotes the server’s own last words', async () => {
    const nonsense = home.start({ flags: ['-c', 'nonsense=1'] });
    await expect(nonsense).rejects.toThrow(
      /does not start:[^]*unrecognized configuration parameter "nonsense"/,
    );
  });
});

(asRoot ? describe : describe.skip)('binaries below a home that only root may enter', () => {
  const nobody = { uid: 65_534, gid: 65_534 };

  test('are copied once to where the server’s user may run them', async () => {
    const installed = join(home.home, 'private', 'native');
    await mkdir(join(installed, 'bin'), { recursive: true });
    await writeFile(join(installed, 'bin', 'postgres'), '', { mode: 0o755 });
    await writeFile(join(installed, '..', 'package.json'), '{"version": "18.4.0"}');
    expect(await findBinaries(home.home, nobody, installed)).toBe(join(installed, 'bin'));

    await chmod(join(home.home, 'private'), 0o700);
    const copy = join(home.home, 'binaries-18.4.0', 'bin');
    expect(await findBinaries(home.home, nobody, installed)).toBe(copy);
    expect(await stat(join(copy, 'postgres'))).toMatchObject({ uid: nobody.uid });
    await rm(installed, { recursive: true });
    await mkdir(join(installed, 'bin'), { recursive: true });
    expect(await findBinaries(home.home, nobody, installed)).toBe(copy);
  });

  test('come into the server’s own folder whole, and what they link to keeps its owner', async () => {
    const installed = join(home.home, 'private', 'native');
    await mkdir(join(installed, 'bin'), { recursive: true });
    await mkdir(home.directory);
    await writeFile(join(installed, '..', 'package.json'), '{"version": "18.4.0"}');
    await writeFile(join(installed, 'bin', 'postgres'), '', { mode: 0o755 });
    const ofRoot = join(home.home, 'of-root');
    await writeFile(ofRoot, '');
    await symlink(ofRoot, join(installed, 'bin', 'link'));
    await chmod(join(home.home, 'private'), 0o700);

    const watcher = openWatcher(home.directory);
    const changes = on(watcher, 'change');
    const bin = await findBinaries(home.directory, nobody, installed);
    await writeFile(join(home.directory, 'last'), '');
    const seen = new Set<string>();
    for await (const [, name] of changes) {
      if (name === 'last') break;
      seen.add(String(name));
    }
    watcher.close();
    expect([...seen]).toEqual(['binaries-18.4.0']);
    expect(await lstat(join(bin, 'link'))).toMatchObject({ uid: nobody.uid });
    expect(await stat(ofRoot)).toMatchObject({ uid: 0 });
    expect((await readdir(home.home)).toSorted()).toEqual(['of-root', 'postgres', 'private']);
  });
});

import { chmod, mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { assertPrivate } from './private-path.ts';
import { Quarantine } from './quarantine.ts';
import { StateDirectory } from './state-directory.ts';

let home: TempDirectory;
let path: string;
beforeEach(async () => {
  home = await createTempDirectory('state');
  path = join(home.path, 'deep', 'state');
});
afterEach(() => home.remove());

const unsafe = (advice: RegExp) =>
  expect.objectContaining({ code: 'state.unsafe', advice: expect.stringMatching(advice) });

describe('the state directory', () => {
  test('is made 0700 and its files 0600, whatever the umask is', async () => {
    const umask = process.umask(0);
    try {
      using state = await StateDirectory.open(path);
      await state.write('identity.json', '{}');
    } finally {
      process.umask(umask);
    }
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    for (const name of ['identity.json', 'lock'])
      expect((await stat(join(path, name))).mode & 0o777).toBe(0o600);
  });

  test.each(['750', '705', '701', '770'])(
    'of mode 0%s is refused with the command that repairs it',
    async (mode) => {
      await mkdir(path, { recursive: true });
      await chmod(path, mode);
      await expect(StateDirectory.open(path)).rejects.toEqual(unsafe(/^chmod 700 /));
    },
  );

  test('that is a symbolic link is refused', async () => {
    await mkdir(join(home.path, 'real'), { mode: 0o700 });
    await symlink(join(home.path, 'real'), join(home.path, 'link'));
    await expect(StateDirectory.open(`${join(home.path, 'link')}/`)).rejects.toEqual(unsafe(/./));
  });

  test('that is a file is refused', async () => {
    await writeFile(join(home.path, 'file'), '', { mode: 0o600 });
    await expect(StateDirectory.open(join(home.path, 'file'))).rejects.toMatchObject({
      code: 'state.unusable',
    });
  });

  test('is not locked through a symbolic link', async () => {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await symlink(join(home.path, 'elsewhere'), join(path, 'lock'));
    await expect(StateDirectory.open(path)).rejects.toEqual(unsafe(/./));
    expect(await readdir(home.path)).not.toContain('elsewhere');
  });

  test('whose lock is damaged is refused with the way out', async () => {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await writeFile(join(path, 'lock'), 'not a lock'.repeat(100), { mode: 0o600 });
    await expect(StateDirectory.open(path)).rejects.toMatchObject({
      code: 'state.unusable',
      advice: expect.stringContaining('remove that file'),
    });
  });

  test('of another user is refused, and root is not told to take it from them', async () => {
    const stats = await stat(home.path);
    stats.uid += 1;
    await expect(async () => assertPrivate(home.path, stats, 'directory')).rejects.toEqual(
      unsafe(process.getuid?.() === 0 ? /^run as that user$/ : /chown -R/),
    );
  });
});

describe('a file of the state directory', () => {
  test.each(['640', '604', '644'])(
    'of mode 0%s is refused with the command that repairs it',
    async (mode) => {
      using state = await StateDirectory.open(path);
      await state.write('identity.json', '{}');
      await chmod(join(path, 'identity.json'), mode);
      await expect(state.read('identity.json')).rejects.toEqual(unsafe(/^chmod 600 /));
    },
  );

  test('that is a symbolic link is not followed', async () => {
    using state = await StateDirectory.open(path);
    await writeFile(join(home.path, 'elsewhere'), '{}', { mode: 0o600 });
    await symlink(join(home.path, 'elsewhere'), join(path, 'identity.json'));
    await expect(state.read('identity.json')).rejects.toEqual(unsafe(/./));
  });

  test('that is a directory is refused, and said to be one', async () => {
    using state = await StateDirectory.open(path);
    await mkdir(join(path, 'identity.json'), { mode: 0o700 });
    await expect(state.read('identity.json')).rejects.toMatchObject({
      code: 'state.unsafe',
      message: expect.stringMatching(/ is a directory, not a file$/),
    });
  });

  test('that is not there reads as undefined', async () => {
    using state = await StateDirectory.open(path);
    expect(await state.read('bundle.json')).toBeUndefined();
  });

  test('is replaced as a whole, also over what a crash left behind', async () => {
    using state = await StateDirectory.open(path);
    await writeFile(join(path, 'bundle.json.tmp'), 'half');
    await state.write('bundle.json', 'first');
    await state.write('bundle.json', 'second');
    expect((await state.read('bundle.json'))?.toString()).toBe('second');
    expect(await readdir(path)).toEqual(['bundle.json', 'lock']);
  });

  test('that cannot be written is an error with a reason, and the old bytes stay', async () => {
    using state = await StateDirectory.open(path);
    await state.write('bundle.json', 'first');
    await mkdir(join(path, 'bundle.json.tmp'));
    await expect(state.write('bundle.json', 'second')).rejects.toMatchObject({
      code: 'state.unusable',
    });
    expect((await state.read('bundle.json'))?.toString()).toBe('first');
  });
});

test('the quarantine keeps the newest eight files, named by time and reason', async () => {
  const quarantine = new Quarantine(home.path);
  for (let second = 0; second < 10; second += 1) {
    await writeFile(join(home.path, 'bundle.json'), String(second));
    await quarantine.take(
      join(home.path, 'bundle.json'),
      'bundle.unreadable',
      Date.UTC(2030, 0, 1, 0, 0, second),
    );
  }
  const names = await readdir(join(home.path, 'quarantine'));
  expect(await quarantine.count()).toBe(8);
  expect(names.toSorted()[0]).toBe('2030-01-01T000002.000Z-bundle.unreadable.json');
});

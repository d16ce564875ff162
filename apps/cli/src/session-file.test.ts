import {
  chmod,
  mkdir,
  readdir,
  readFile,
  rename,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { SessionFile } from './session-file.ts';

const session = {
  url: 'https://127.0.0.1:8443',
  ca: 'PEM',
  token: 'sp_session_canary',
  expiresAt: '2030-01-01T00:00:00.000Z',
};

describe('the session on disk', () => {
  let temp: TempDirectory;
  let directory: string;
  let path: string;
  let file: SessionFile;
  beforeEach(async () => {
    temp = await createTempDirectory();
    directory = join(temp.path, 'config', 'sallyport');
    path = join(directory, 'session.json');
    file = new SessionFile(directory);
  });
  afterEach(() => temp.remove());

  const modeOf = async (of: string) => (await stat(of)).mode & 0o777;
  const unsafe = { name: 'CliError', code: 'session_file.unsafe' };
  const unusable = { name: 'CliError', code: 'session_file.unusable' };

  test('is what was written, in a file and a directory of this user alone', async () => {
    await file.write(session);
    expect(await file.read()).toEqual(session);
    expect([await modeOf(directory), await modeOf(path)]).toEqual([0o700, 0o600]);
  });

  test('is replaced as a whole, and leaves nothing beside it', async () => {
    await file.write(session);
    const { ca: _ca, ...publiclyTrusted } = { ...session, token: 'sp_session_other' };
    await file.write(publiclyTrusted);
    expect(await file.read()).toEqual(publiclyTrusted);
    expect(await readdir(directory)).toEqual(['session.json']);
  });

  test('is none before the first sign-in, and none once it was removed, twice', async () => {
    expect(await file.read()).toBeUndefined();
    await file.write(session);
    await file.remove();
    await file.remove();
    expect(await file.read()).toBeUndefined();
  });

  test.each([0o640, 0o604, 0o620, 0o644, 0o660])(
    'is refused when its file has mode %o',
    async (mode) => {
      await file.write(session);
      await chmod(path, mode);
      await expect(file.read()).rejects.toMatchObject({
        ...unsafe,
        message: expect.stringContaining('chmod 600'),
      });
    },
  );

  test.each([0o710, 0o701, 0o755, 0o770])(
    'is refused when its directory has mode %o',
    async (mode) => {
      await file.write(session);
      await chmod(directory, mode);
      const refusal = { ...unsafe, message: expect.stringContaining('chmod 700') };
      await expect(file.read()).rejects.toMatchObject(refusal);
      await expect(file.write(session)).rejects.toMatchObject(refusal);
      await expect(file.prepare()).rejects.toMatchObject(refusal);
    },
  );

  test('is refused when it is a link, also to a file that would do', async () => {
    await file.write(session);
    await rename(path, join(directory, 'elsewhere.json'));
    await symlink('elsewhere.json', path);
    const refusal = { ...unsafe, message: expect.stringContaining('is not a file') };
    await expect(file.read()).rejects.toMatchObject(refusal);
  });

  test('is refused when its directory is a link', async () => {
    await mkdir(join(temp.path, 'elsewhere'), { mode: 0o700 });
    await mkdir(join(temp.path, 'config'));
    await symlink(join(temp.path, 'elsewhere'), directory);
    const refusal = { ...unsafe, message: expect.stringContaining('is not a directory') };
    await expect(file.write(session)).rejects.toMatchObject(refusal);
  });

  test('replaces a file that was too open by one that is not', async () => {
    await file.write(session);
    await chmod(path, 0o666);
    await file.write(session);
    expect(await modeOf(path)).toBe(0o600);
  });

  test.each([
    ['empty', () => ''],
    ['cut', (text: string) => text.slice(0, -9)],
    ['of another format', (text: string) => text.replace('"format":1', '"format":2')],
    ['for plain HTTP', (text: string) => text.replace('https:', 'http:')],
    ['with a field more', (text: string) => text.replace('{', '{"more":1,')],
  ])('is refused when it is %s, without quoting it', async (_, damage) => {
    await file.write(session);
    await writeFile(path, damage(await readFile(path, 'utf8')));
    const refusal = await file.read().catch((error: unknown) => error);
    expect(refusal).toMatchObject(unusable);
    expect(String(refusal)).not.toContain('canary');
    expect(refusal).not.toHaveProperty('cause');
  });

  test('is refused at once where a folder takes no other, as /proc does', async () => {
    const nowhere = new SessionFile('/proc/.config/sallyport');
    await expect(nowhere.prepare()).rejects.toMatchObject(unusable);
  });

  test('is kept in folders of this user alone, all that were made for it', async () => {
    const deep = new SessionFile(join(temp.path, 'a', 'b', 'c'));
    await Promise.all([deep.prepare(), deep.prepare()]);
    for (const made of ['a', 'a/b', 'a/b/c'])
      expect(await modeOf(join(temp.path, made))).toBe(0o700);
  });

  test('is refused by name where no directory can be', async () => {
    await writeFile(join(temp.path, 'config'), '');
    await expect(file.write(session)).rejects.toMatchObject({
      ...unusable,
      message: expect.stringMatching(/ or name another folder in SALLYPORT_CONFIG_DIR$/),
    });
  });
});

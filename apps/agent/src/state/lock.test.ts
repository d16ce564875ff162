import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { lockDirectory } from './lock.ts';

let home: TempDirectory;
beforeEach(async () => {
  home = await createTempDirectory('lock');
  using _made = await lockDirectory(home.path);
});
afterEach(() => home.remove());

const refusing = (code: string) => async () => {
  throw Object.assign(new Error(code), { code, syscall: 'access' });
};
const asAnyUser = process.getuid?.() === 0 ? test.skip : test;

describe('a lock that cannot be written', () => {
  const refused = { code: 'state.unusable', advice: expect.stringMatching(/^chmod 600 .*lock$/) };

  test.each(['EACCES', 'EPERM'])(
    'for %s is refused with the command that repairs it',
    async (code) => {
      await expect(lockDirectory(home.path, refusing(code))).rejects.toMatchObject(refused);
    },
  );

  asAnyUser('by its own mode is refused too', async () => {
    await chmod(join(home.path, 'lock'), 0o400);
    await expect(lockDirectory(home.path)).rejects.toMatchObject(refused);
  });

  test('because all is mounted read-only is known not to be held', async () => {
    using unheld = await lockDirectory(home.path, refusing('EROFS'));
    expect(unheld.held).toBe(false);
    using held = await lockDirectory(home.path);
    expect(held.held).toBe(true);
  });
});

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { loadConfig } from '@sallyport/config/load';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { serverConfig } from './config.ts';
import { openFilesWarning } from './open-files.ts';

let folder: TempDirectory;
beforeAll(async () => {
  folder = await createTempDirectory('limits');
});
afterAll(() => folder.remove());

const { config } = loadConfig(serverConfig, { env: {}, programName: 'test' });

/** Warns of this limit, as Linux writes it. */
async function warned(limit: string, roles = config.roles): Promise<string | undefined> {
  const file = join(folder.path, 'limits');
  const line = `Max open files            ${limit.padEnd(20)} 1048576              files     \n`;
  await writeFile(file, `Max processes             7      7      processes \n${line}`);
  return openFilesWarning({ ...config, roles }, file);
}

test('a limit of open files below what the listeners of this process may need is told, with what to raise', async () => {
  expect(await warned('21355')).toMatch(
    /^this process may open 21355 files, and needs 21356 .*LimitNOFILE=/,
  );
  expect(await warned('21356')).toBeUndefined();
  expect(await warned('unlimited')).toBeUndefined();
  expect(await warned('1024', ['worker'])).toBeUndefined();
  expect(await warned('1024', ['operator-api'])).toMatch(/needs 1356 /);
});

test('where no limit is told, there is nothing to warn of', async () => {
  expect(await openFilesWarning(config, join(folder.path, 'nowhere'))).toBeUndefined();
});

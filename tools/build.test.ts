import { spawnSync } from 'node:child_process';
import { copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

let elsewhere: string;
beforeAll(async () => {
  const { status, stderr } = spawnSync('node', ['tools/build.ts'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  elsewhere = await mkdtemp(join(tmpdir(), 'sallyport-build-'));
});
afterAll(() => rm(elsewhere, { recursive: true }));

test.each(['sallyport-agent', 'sallyport'])('%s is one file that needs Node only', async (name) => {
  const file = join(elsewhere, `${name}.mjs`);
  await copyFile(`dist/${name}.mjs`, file);
  const { status, stdout } = spawnSync(process.execPath, [file, '--help'], { encoding: 'utf8' });
  expect(stdout).toContain(`Usage: ${name} `);
  expect(status).toBe(0);
});

test('the server finds its migrations beside it, where the repository has them', async () => {
  const inRepository = await readdir('prisma/migrations');
  expect(await readdir('dist/sallyport-server/prisma/migrations')).toEqual(inRepository);
  expect(await readdir('dist/sallyport-server/apps/control-plane/src')).toContain('main.mjs');
});

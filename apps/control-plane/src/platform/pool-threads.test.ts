import { mkdir, writeFile } from 'node:fs/promises';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { createTempDirectory } from '@sallyport/testkit/temp';
import { lowerPoolThreads } from './pool-threads.ts';

test('where threads have no priorities of their own, nothing changes', async () => {
  const before = getPriority();
  await lowerPoolThreads('/nonexistent/task');
  expect(getPriority()).toBe(before);
});

test('a priority that may not be set is no reason not to start', async () => {
  const folder = await createTempDirectory('tasks');
  const noThread = String(2 ** 30);
  await mkdir(join(folder.path, noThread));
  await writeFile(join(folder.path, noThread, 'comm'), 'libuv-worker\n');
  await lowerPoolThreads(folder.path);
  await folder.remove();
});

import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { createTempDirectory } from '@sallyport/testkit/temp';

const program = join(import.meta.dirname, '../bin/sallyport-agent');

test('what bin/ starts has the PATH of whoever called it, and nothing of this repository before it', async () => {
  const home = await createTempDirectory('bin');
  const values = join(home.path, 'values.yaml');
  await writeFile(values, 'secrets: { a: b }\n', { mode: 0o600 });
  // Where some node is, as whoever has cloned the repository has one.
  const PATH = `/nowhere:${process.env['PATH'] ?? ''}`;
  const args = ['dev', '--values', values, '--', 'printenv', 'PATH'];
  const { stdout } = await promisify(execFile)(program, args, { env: { PATH, HOME: home.path } });
  expect(stdout.trimEnd()).toBe(PATH);
  await home.remove();
});

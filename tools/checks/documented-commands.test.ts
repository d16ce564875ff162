import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-docs-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function check(...lines: string[]): Promise<{ status: number | null; stdout: string }> {
  const page = join(folder, 'page.md');
  await writeFile(page, `${lines.join('\n')}\n`);
  return spawnSync('node', ['tools/checks/documented-commands.ts', page], { encoding: 'utf8' });
}

test('commands that exist pass, in blocks and in inline code', async () => {
  const { status, stdout } = await check(
    'Type `npm test`, or `npm run bench -- propagation --json`.',
    '```sh',
    '$ npm run demo && npm start',
    'bin/sallyport group create plant-7   # a group',
    'sallyport-server rotate-root --config server.yaml',
    'sudo TOKEN=x sallyport-agent run',
    'sallyport-agent exec --env DB=secret:db -- psql --no-such-option',
    '```',
    '```json',
    '{ "not": "npm run shell" }',
    '```',
  );
  expect(stdout).toBe('');
  expect(status).toBe(0);
});

test.each([
  ['npm run nothing', 'npm run nothing is no script'],
  ['sallyport vanish --now', 'sallyport has no command vanish'],
  ['sallyport group vanish', 'sallyport group has no command vanish'],
  ['bin/sallyport-agent run --vanish', 'sallyport-agent run has no option --vanish'],
  ['sallyport-server --vanish', 'sallyport-server has no option --vanish'],
  ['./bin/sallyport-nothing', 'bin/sallyport-nothing is not there'],
  ['node tools/nothing.ts', 'tools/nothing.ts is not there'],
])('%s is refused by name and line', async (command, problem) => {
  const { status, stdout } = await check('A page', '```sh', command, '```');
  expect(stdout).toMatch(new RegExp(`page\\.md:3: ${problem}\n$`));
  expect(status).toBe(1);
});

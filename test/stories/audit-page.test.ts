import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Installation } from '../fixtures/installation.ts';

const PAGE = join(import.meta.dirname, '../../docs/audit.md');

let installation: Installation;
beforeAll(async () => {
  installation = await Installation.create();
  const replica = await installation.startReplica('control-plane');
  const ca = join(installation.folder, 'control-plane', 'ca.pem');
  const login = ['login', '--url', replica.url, '--ca-file', ca, '--password-file', '-'];
  await installation.cli(login, installation.ownerPassword);
  await installation.done(['group', 'create', 'plant-7']);
  // Of which the page asks.
  await installation.done(['secret', 'set', '--group', 'plant-7', 'db/password'], 'correct horse');
});
afterAll(() => installation.end());

/** The commands of the page's shell blocks, in its order. */
async function commands(): Promise<string[]> {
  const page = await readFile(PAGE, 'utf8');
  return [...page.matchAll(/^```sh\n([^`]+)^```/gm)].flatMap(([, block = '']) =>
    block.trimEnd().split('\n'),
  );
}

test('[F-19] the commands of docs/audit.md do what it says, one after the other', async () => {
  const shown = await commands();
  expect(shown.length).toBeGreaterThan(5);
  const said: string[] = [];
  for (const line of shown) {
    const [, args = '', file] = /^bin\/sallyport ([^>]+?)(?: > (\S+))?$/.exec(line) ?? [];
    const { code, stdout, stderr } = await installation.cli(args.split(' '));
    const told = line.includes('--request shop-1') ? 'No event matches.' : '';
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: told });
    if (file === undefined) said.push(stdout);
    else await writeFile(join(installation.folder, file), `${stdout}\n`);
  }
  expect(said.at(-1)).toMatch(/^Intact {7}positions 1 to \d+\n.*\nCheckpoints {2}agrees, signed$/);
});

test('[F-19] and an export that was tampered with is refused by the last of them', async () => {
  const file = join(installation.folder, 'audit.jsonl');
  const exported = await readFile(file, 'utf8');
  await writeFile(file, exported.replace('plant-7', 'plant-8'));
  const last = (await commands()).at(-1)?.replace('bin/sallyport ', '').split(' ') ?? [];
  const { code, stderr } = await installation.cli(last);
  expect([code, stderr]).toEqual([6, expect.stringMatching(/position \d+ is edited/)]);
});

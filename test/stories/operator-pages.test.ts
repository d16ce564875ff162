import { execFile, spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createdApiKey, keyring, secret } from '@sallyport/contract';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { Installation, type Replica } from '../fixtures/installation.ts';
import { shownCommand } from '../fixtures/shown-command.ts';

const pageOf = (name: string) => readFile(join(import.meta.dirname, '../../docs', name), 'utf8');

let installation: Installation;
let replica: Replica;
beforeAll(async () => {
  installation = await Installation.create();
  replica = await installation.startReplica('.sallyport');
  await installation.logIn(replica);
  await installation.done(['group', 'create', 'demo']);
}, 60_000);
afterAll(() => installation.end());

const withoutCurl =
  spawnSync('curl', ['--version']).error === undefined ? undefined : 'there is no curl';
const testWithCurl = withoutCurl === undefined ? test : test.skip;
const title =
  '[AT-01] the key of docs/permissions.md is all that its curl lines need to write a secret and to read it';
testWithCurl(titleOrLeftOut(title, withoutCurl), async () => {
  const page = await pageOf('permissions.md');
  const made = await installation.done([...shownCommand(page, 'api-key create'), '--json']);
  const { key } = createdApiKey.parse(JSON.parse(made));
  const [, block = ''] = /^```sh\n([^`]*curl[^`]*)^```/m.exec(page) ?? [];
  expect(block).toContain('https://127.0.0.1:8443/');
  const script = block.replace('https://127.0.0.1:8443', replica.url);
  const ran = promisify(execFile)('sh', ['-euc', script], { cwd: installation.folder });
  ran.child.stdin?.end(`${key}\n`);
  const { stdout } = await ran;
  const [written = '', revealed = ''] = stdout.replace('}{', '}\n{').split('\n');
  expect(secret.parse(JSON.parse(written))).toMatchObject({ name: 'ci/thing' });
  expect(JSON.parse(revealed)).toMatchObject({ value: 'of a pipeline' });
});

test('[A7-09] the commands of docs/architecture.md rotate the key of a group, and show it', async () => {
  const page = await pageOf('architecture.md');
  const rotated = await installation.done([...shownCommand(page, 'keyring rotate'), '--json']);
  expect(keyring.parse(JSON.parse(rotated)).versions).toHaveLength(2);
  expect(await installation.done(shownCommand(page, 'keyring show'))).toContain('active');
});

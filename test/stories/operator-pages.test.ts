import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createdApiKey, keyring, secret } from '@sallyport/contract';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { Installation, type Replica } from '../fixtures/installation.ts';
import { Operator } from '../fixtures/operator.ts';
import { outcomeOf } from '../fixtures/program.ts';
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

/** `sallyport-server` with what a replica has, while that runs. */
const server = (args: string[], more: Record<string, string> = {}) =>
  outcomeOf(installation.start('control-plane', args, { ...replica.environment, ...more }));

test('[AX-18] the command of docs/operators.md lets an owner in again while the control plane runs, and prints the password and nothing else', async () => {
  const command = shownCommand(await pageOf('operators.md'), 'reset-owner', {}, 'sallyport-server');
  const { code, stdout, stderr } = await server(command);
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^[\w-]{24}$/) });
  expect(stderr).toContain('The operator owner can sign in as an owner with the password alone');
  expect(stderr).not.toContain(stdout);
  expect(replica.process.output()).not.toContain(stdout);
  expect((await installation.cli(['whoami'])).code).not.toBe(0);
  await expect(installation.signIn(replica)).rejects.toThrow('401');
  const { body } = await (await Operator.signIn(replica, stdout)).do('GET', '/me');
  expect(body).toMatchObject({ name: 'owner', roles: [{ role: 'owner', group: null }] });
});

test('[A7-10] reset-owner refuses another root key and a name that is none, and prints nothing then', async () => {
  const otherKey = {
    SALLYPORT_ROOT_KEY_FILE: '',
    SALLYPORT_ROOT_KEY: randomBytes(32).toString('hex'),
  };
  expect(await server(['reset-owner'], otherKey)).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('the root key is not the one of this database'),
  });
  expect(await server(['reset-owner', '--name', 'An Owner'])).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringContaining('--name: use 1 to 64 of a-z'),
  });
});

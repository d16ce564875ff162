import { once } from 'node:events';
import { open, readdir, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Installation } from '../fixtures/installation.ts';
import { outcomeOf } from '../fixtures/program.ts';

let installation: Installation;
beforeAll(async () => {
  installation = await Installation.create();
});
afterAll(() => installation.end());

const PASSWORD = /^ {2}Password +\S{24} {3}\(shown this once/m;

test('the generated password is shown by the first start that serves operators, whatever starts came before it', async () => {
  const { SALLYPORT_OWNER_PASSWORD_FILE: _, ...environment } =
    await installation.replicaEnvironment('first');
  const taken = createServer().listen(Number(environment['SALLYPORT_METRICS_PORT']), '127.0.0.1');
  await once(taken, 'listening');
  const failed = await outcomeOf(installation.start('control-plane', [], environment));
  expect(failed).toMatchObject({ code: 1, stdout: '' });
  taken.close();
  await once(taken, 'close');

  const withoutOperators = ['--roles', 'agent-api,worker'];
  const silent = installation.start('control-plane', withoutOperators, environment);
  await silent.waitForLine(/Sallyport is running\./, 30_000);
  expect(await silent.stop()).toMatchObject({ code: 0 });
  expect(silent.output()).not.toMatch(PASSWORD);

  const serving = installation.start('control-plane', [], environment);
  await serving.waitForLine(PASSWORD, 30_000);
}, 90_000);

test('a start puts the file of the CA in the place of the one before: who reads it meanwhile has a whole one', async () => {
  const { environment, process } = await installation.startReplica('again');
  await process.stop();
  const folder = environment['SALLYPORT_DATA_DIR'] ?? '';
  await using before = await open(join(folder, 'ca.pem'));
  const again = await installation.restart({ environment });
  expect((await before.stat()).ino).not.toBe((await stat(join(folder, 'ca.pem'))).ino);
  expect(await before.readFile('utf8')).toBe(again.ca);
  expect(await readdir(folder)).toEqual(['ca.pem']);
}, 60_000);

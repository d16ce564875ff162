import { randomBytes, randomUUID } from 'node:crypto';
import { link, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Installation } from '../fixtures/installation.ts';
import { outcomeOf, type Outcome } from '../fixtures/program.ts';

const SECRET = '/groups/plant-7/secrets/s';

let installation: Installation;
/** A control plane that keeps its root key in a file of its data folder. */
let environment: Record<string, string>;
let folder: string;
beforeAll(async () => {
  installation = await Installation.create();
  const { SALLYPORT_ROOT_KEY_FILE: _, ...rest } = await installation.replicaEnvironment('files');
  environment = rest;
  folder = environment['SALLYPORT_DATA_DIR'] ?? '';
  const replica = await installation.restart({ environment });
  const owner = await installation.signIn(replica);
  await owner.do('POST', '/groups', { name: 'plant-7' });
  await owner.do('PUT', SECRET, { value: 'kept' });
  await replica.process.stop();
});
afterAll(() => installation.end());

const rotateRoot = (more: Record<string, string> = {}): Promise<Outcome> =>
  outcomeOf(installation.start('control-plane', ['rotate-root'], { ...environment, ...more }));
const keyIn = (name: string) => readFile(join(folder, name), 'utf8');
const rootKeyFiles = async () =>
  (await readdir(folder)).filter((name) => name.startsWith('root-key')).toSorted();

/** Starts the control plane, reads the secret, and stops it. */
async function revealed(more: Record<string, string> = {}): Promise<unknown> {
  const replica = await installation.restart({ environment: { ...environment, ...more } });
  const owner = await installation.signIn(replica);
  const { body } = await owner.do('POST', `${SECRET}/reveal`, {});
  await replica.process.stop();
  return body;
}

test('[A7-10] rotate-root makes a new root key in the data folder, keeps the old one beside it, and prints neither', async () => {
  const before = await keyIn('root-key');
  const { code, stdout, stderr } = await rotateRoot();
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /^The root key is [0-9a-f]{16} now; \d+ keys were sealed anew\.\nRestart every control plane .*\nBack up /,
  );
  const after = await keyIn('root-key');
  expect(after).not.toBe(before);
  expect(await keyIn('root-key.previous')).toBe(before);
  expect(await rootKeyFiles()).toEqual(['root-key', 'root-key.previous']);
  for (const name of await rootKeyFiles())
    expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
  for (const key of [before, after]) expect(stdout + stderr).not.toContain(key.trim());
  expect(await revealed()).toMatchObject({ value: 'kept' });
});

test('[A7-10] a rotation that was interrupted before the database moved is begun again; the control plane starts meanwhile', async () => {
  await writeFile(join(folder, 'root-key.next'), randomBytes(32).toString('base64url'), {
    mode: 0o600,
  });
  expect(await revealed()).toMatchObject({ value: 'kept' });
  const next = await keyIn('root-key.next');
  // As SIGKILL leaves them amid the making of a key: one without a key, and one more name of the key that counts.
  await writeFile(join(folder, `root-key.${randomUUID()}`), '', { mode: 0o600 });
  await link(join(folder, 'root-key.next'), join(folder, `root-key.next.${randomUUID()}`));
  expect((await rotateRoot()).code).toBe(0);
  expect(await keyIn('root-key')).toBe(next);
  expect(await rootKeyFiles()).toEqual(['root-key', 'root-key.previous']);
  expect(await revealed()).toMatchObject({ value: 'kept' });
});

test('[A7-10] one that was interrupted after the database moved is finished; the control plane starts meanwhile', async () => {
  // As a crash between the commit and the renaming leaves them.
  await rename(join(folder, 'root-key'), join(folder, 'root-key.next'));
  await rename(join(folder, 'root-key.previous'), join(folder, 'root-key'));
  expect(await revealed()).toMatchObject({ value: 'kept' });
  const next = await keyIn('root-key.next');
  const { code, stdout } = await rotateRoot();
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: expect.stringContaining('already; nothing was to be sealed anew'),
  });
  expect(await keyIn('root-key')).toBe(next);
  expect(await rootKeyFiles()).toEqual(['root-key', 'root-key.previous']);
  // The old key is of no use any more.
  await rm(join(folder, 'root-key.previous'));
  expect(await revealed()).toMatchObject({ value: 'kept' });
});

test('[A7-10] a configured root key is rotated with the old one as previousRootKey, and not without', async () => {
  const [old, next] = [await keyIn('root-key'), randomBytes(32).toString('base64url')];
  const refused = await rotateRoot({ SALLYPORT_ROOT_KEY: next });
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('the root key is not the one of this database'),
  });
  const both = { SALLYPORT_ROOT_KEY: next, SALLYPORT_PREVIOUS_ROOT_KEY: old.trim() };
  expect(await revealed(both)).toMatchObject({ value: 'kept' });
  expect(await rotateRoot(both)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('previousRootKey can be left out'),
  });
  expect(await revealed({ SALLYPORT_ROOT_KEY: next })).toMatchObject({ value: 'kept' });
});

test.each([
  [['--port', '1'], "unknown option '--port'"],
  [['rotate'], 'the commands are rotate-root, after-restore and reset-owner'],
  [['--name', 'owner'], '--name goes with reset-owner'],
  [['after-restore', '--name', 'owner'], '--name goes with reset-owner'],
])('%j is no command: it is refused', async (args, why) => {
  const { code, stderr } = await outcomeOf(installation.start('control-plane', args, environment));
  expect({ code, stderr }).toEqual({ code: 2, stderr: `sallyport-server: ${why}; see --help` });
});

import { spawnSync } from 'node:child_process';
import { copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
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

test('[SG-07] the agent is plain ASCII, of which Node keeps one byte a letter, and says the same', async () => {
  const text = await readFile('dist/sallyport-agent.mjs', 'utf8');
  expect(/[^\0-\x7f]/.test(text)).toBe(false);
  const list = ['dist/sallyport-agent.mjs', 'list', '--socket', '/nowhere'];
  const { stderr } = spawnSync(process.execPath, list, { encoding: 'utf8' });
  expect(stderr).toContain('(ENOENT) — start it with');
});

test('[SG-07] the agent keeps its heap small before any other module of it is evaluated', async () => {
  const text = await readFile('dist/sallyport-agent.mjs', 'utf8');
  const [first, next] = text.matchAll(/^\/\/ (?:apps|packages|node_modules)\/.+$/gm);
  expect(first?.[0]).toBe('// apps/agent/src/host/small-heap.ts');
  const evaluated = text.slice(first?.index, next?.index);
  expect(evaluated).toContain('setFlagsFromString)("--semi-space-growth-factor=1");');
});

test('[SG-07] the agent has no shapes in it that operators alone send', async () => {
  const shape = 'packages/contract/src/operator/plugin-types.ts';
  const words = 'use a JSON Pointer such as';
  expect(await readFile(shape, 'utf8')).toContain(words);
  expect(await readFile('dist/sallyport-agent.mjs', 'utf8')).not.toContain(words);
});

test('what the agent loads for AWS alone is a file beside it, which it does not need otherwise', () => {
  const script = `const { AwsSdk } = await import(process.argv[1]);
    const requestHandler = { handle: async () => { throw new Error('asked'); } };
    const sdk = new AwsSdk({ region: 'eu-central-1', requestHandler });
    await sdk.read('x', AbortSignal.timeout(5000)).catch(({ message }) => console.log(message));`;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', script, resolve('dist/sallyport-agent-aws.mjs')],
    {
      encoding: 'utf8',
      env: { AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'test' },
    },
  );
  expect(stdout + stderr).toBe('asked\n');
});

/** A Node of the system's that is too old for the programs; there may be none. */
const older = ['/usr/local/bin/node', '/usr/bin/node'].find((node) =>
  /^v(1[89]|2[0-3])\./.test(spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout ?? ''),
);
const onOlderNode = older === undefined ? test.skip : test;

onOlderNode.each(['sallyport-agent', 'sallyport'])(
  '%s tells an older Node in one line which one it needs (skipped where the system has none older)',
  (name) => {
    const { status, stdout, stderr } = spawnSync(older ?? '', [`dist/${name}.mjs`, '--version'], {
      encoding: 'utf8',
    });
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(
      new RegExp(`^${name}: needs Node 24\\.9 or later; this is Node [\\d.]+\n$`),
    );
  },
);

test('the server finds its migrations beside it, where the repository has them', async () => {
  const inRepository = await readdir('prisma/migrations');
  expect(await readdir('dist/sallyport-server/prisma/migrations')).toEqual(inRepository);
  expect(await readdir('dist/sallyport-server/apps/control-plane/src')).toContain('main.mjs');
});

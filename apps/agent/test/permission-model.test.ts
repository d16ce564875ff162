import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { runAgentProcess } from './run-agent.ts';

const permitted = '--permission --allow-fs-read=* --allow-fs-write=*';

let home: TempDirectory;
beforeEach(async () => {
  home = await createTempDirectory('permission');
});
afterEach(() => home.remove());

test('[SG-36] the agent says why it does not run under Node’s permission model', async () => {
  const { code, stderr } = await runAgentProcess(['run', '--state-dir', home.path], {
    NODE_OPTIONS: permitted,
  });
  expect(code).toBe(1);
  expect(stderr).toBe(
    `sallyport-agent: ${home.path} cannot be kept safe under Node’s permission model, which refuses fsync — start Node without --permission\n`,
  );
});

test('which is so of this Node: a program that may write every file may make none durable', async () => {
  const write = `const file = fs.openSync(${JSON.stringify(join(home.path, 'file'))}, 'w'); fs.writeSync(file, 'written'); console.log('written'); fs.fsyncSync(file)`;
  const run = promisify(execFile)(process.execPath, [...permitted.split(' '), '--eval', write]);
  await expect(run).rejects.toMatchObject({
    stdout: 'written\n',
    stderr: expect.stringContaining('ERR_ACCESS_DENIED'),
  });
});

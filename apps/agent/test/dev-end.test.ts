import { mkdtemp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { expectNoLeftovers, startProcess } from '@sallyport/testkit/process';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { agentCommand, runAgentProcess } from './run-agent.ts';
import { valuesFile } from './running-dev.ts';

let home: TempDirectory;
beforeAll(async () => (home = await createTempDirectory('dev-end')));
afterAll(async () => {
  await home.remove();
  await expectNoLeftovers();
});

describe('[SG-45] the directory of the socket is gone', () => {
  const start = async (
    before: readonly string[],
    after: readonly string[] = [],
    env: Record<string, string> = {},
  ) => {
    const temporary = await mkdtemp(join(home.path, 'tmp-'));
    const values = await valuesFile(home, 'secrets: { a: one }');
    const started = startProcess({
      command: [...before, ...agentCommand, 'dev', '--values', values, ...after],
      env: { TMPDIR: temporary, ...env },
    });
    return { started, left: () => readdir(temporary) };
  };
  const serving = async () => {
    const running = await start([]);
    await running.started.waitForLine(/^SALLYPORT_AGENT_SOCKET=/);
    expect(await running.left()).toHaveLength(1);
    return running;
  };

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const)(
    'when %s has ended the agent',
    async (signal) => {
      const { started, left } = await serving();
      started.kill(signal);
      expect(await started.exited).toEqual({ code: 0, signal: null });
      expect(await left()).toEqual([]);
    },
  );

  test.each([
    ['without a command', [], 0],
    ['with a command, which is not started', ['--', 'echo', 'started'], 143],
  ])('when it is ended while it starts, %s, and no values are waited for', async (...given) => {
    const [, command, code] = given;
    // Sent once it is listened to, and before the values are read.
    const early = `process.on('newListener', (name) => {
      if (name === 'SIGTERM') process.nextTick(() => process.kill(process.pid, name));
    })`;
    const { started, left } = await start([], command, {
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(early)}`,
    });
    expect(await started.exited).toEqual({ code, signal: null });
    expect(started.stdout).toEqual([]);
    expect(started.output()).not.toContain('revision applied');
    expect(await left()).toEqual([]);
  });

  test('when Ctrl-C is pressed again and again', async () => {
    const { started, left } = await serving();
    const pressing = setInterval(() => started.kill('SIGINT'), 1);
    await started.exited.finally(() => clearInterval(pressing));
    expect(await left()).toEqual([]);
  });

  test('when nobody reads where it is', async () => {
    const { started, left } = await start(['sh', '-c', '"$0" "$@" | true']);
    await started.exited;
    expect(await left()).toEqual([]);
  });
});

test('[SG-45] SIGUSR1 opens no debugger, and ends nothing', async () => {
  const values = await valuesFile(home, 'secrets: { a: one }');
  const started = startProcess({ command: [...agentCommand, 'dev', '--values', values] });
  await started.waitForLine(/^SALLYPORT_AGENT_SOCKET=/);
  started.kill('SIGUSR1');
  expect(await started.stop()).toEqual({ code: 0, signal: null });
  expect(started.output()).not.toContain('Debugger');
});

test('[SG-45] a directory for temporary files that is not there is told by its variable', async () => {
  const values = await valuesFile(home, 'secrets: { a: one }');
  const TMPDIR = join(home.path, 'nowhere');
  const { code, stdout, stderr } = await runAgentProcess(['dev', '--values', values], { TMPDIR });
  expect({ code, stdout }).toEqual({ code: 8, stdout: '' });
  expect(stderr).toMatch(/nowhere cannot have a directory .*\(ENOENT\) — let TMPDIR name/);
});

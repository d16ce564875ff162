import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { expectNoLeftovers, startProcess, type TestProcess } from '@sallyport/testkit/process';
import { agentCommand } from './run-agent.ts';
import { runningAgent, type RunningAgent } from './running-agent.ts';

const TEMPLATE =
  '{{ "a" | secret }}-{% assign limit = "limit" | config %}{{ limit.perSecond }}-{{ "b" | secret }}';
let agent: RunningAgent;
let watching: TestProcess;
let output: string;

/** Says each text that was written. */
beforeEach(async () => {
  agent = await runningAgent((double) => {
    for (const name of ['a', 'b', 'other']) double.putSecret(name, `${name}1`);
    double.putPlugin('limit', { perSecond: 1 });
  });
  const template = join(agent.enrolled.home.path, 'template');
  output = join(agent.enrolled.home.path, 'output');
  await writeFile(template, TEMPLATE);
  watching = startProcess({
    command: [
      ...[...agentCommand, 'render', '--socket', agent.enrolled.socket, '--watch'],
      ...['--debounce', '0', '--template', template, '--output', output],
      ...['--', 'sh', '-c', 'cat "$0"; echo', output],
    ],
  });
  await watching.waitForLine(/^a1-1-b1$/);
});
afterEach(async () => {
  await watching.stop();
  await agent.end();
});
afterAll(() => expectNoLeftovers());

describe('[SG-04] render --watch', () => {
  test('writes the file again, and runs the command, when a secret or a configuration in it changes', async () => {
    agent.double.putSecret('a', 'a2');
    await watching.waitForLine(/^a2-1-b1$/);
    agent.double.putPlugin('limit', { perSecond: 2 });
    await watching.waitForLine(/^a2-2-b1$/);
    expect(await readFile(output, 'utf8')).toBe('a2-2-b1');
  });

  test('runs no command for a change of what is not in it, and ends with 0 at SIGTERM', async () => {
    agent.double.putSecret('other', 'o2');
    await agent.delivered();
    agent.double.putSecret('a', 'a1');
    await agent.delivered();
    agent.double.putSecret('b', 'b2');
    await watching.waitForLine(/^a1-1-b2$/);
    watching.kill('SIGTERM');
    expect(await watching.exited).toEqual({ code: 0, signal: null });
    expect(watching.output()).toBe('a1-1-b1\na1-1-b2');
  });

  test('does not run a command again that fails once SIGTERM was sent', async () => {
    const home = agent.enrolled.home.path;
    const end = join(home, 'end');
    const script = `echo "$(cat "$0")"; grep -q a1 "$0" || { until [ -e "${end}" ]; do sleep 0.05; done; exit 9; }`;
    const failing = startProcess({
      command: [
        ...[...agentCommand, 'render', '--socket', agent.enrolled.socket, '--watch'],
        ...['--debounce', '0', '--template', join(home, 'template')],
        ...['--output', join(home, 'other'), '--', 'sh', '-c', script, join(home, 'other')],
      ],
    });
    await failing.waitForLine(/^a1-1-b1$/);
    agent.double.putSecret('a', 'a2');
    await failing.waitForLine(/^a2-1-b1$/);
    failing.kill('SIGTERM');
    await writeFile(end, '');
    expect(await failing.exited).toEqual({ code: 0, signal: null });
    expect(failing.stdout).toEqual(['a1-1-b1', 'a2-1-b1']);
    expect(failing.output()).toContain('failed once: it ended with exit code 9');
  });

  test('is ended by SIGTERM in order while the command of its first rendering runs', async () => {
    const home = agent.enrolled.home.path;
    const end = join(home, 'end');
    const script = `echo begun; until [ -e "${end}" ]; do sleep 0.05; done; echo ended; exit 9`;
    const first = startProcess({
      command: [
        ...[...agentCommand, 'render', '--socket', agent.enrolled.socket, '--watch'],
        ...['--template', join(home, 'template'), '--output', join(home, 'other')],
        ...['--', 'sh', '-c', script],
      ],
    });
    await first.waitForLine(/^begun$/);
    first.kill('SIGTERM');
    await writeFile(end, '');
    expect(await first.exited).toEqual({ code: 0, signal: null });
    expect(first.stdout).toEqual(['begun', 'ended']);
  });

  test('leaves the file while a value is gone, says so with the line, and goes on when it is back', async () => {
    agent.double.deleteSecret('a');
    await watching.waitForLine(
      /a change could not be followed: .*template, line 1: a: the group is delivered no/,
    );
    expect(await readFile(output, 'utf8')).toBe('a1-1-b1');
    agent.double.putSecret('a', 'a3');
    await watching.waitForLine(/^a3-1-b1$/);
  });
});

import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { expectNoLeftovers, startProcess, type TestProcess } from '@sallyport/testkit/process';
import { runProgram } from '../src/cli/program.ts';
import { until } from './harness.ts';
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

  test('says that the agent was revoked and what to do, and leaves the file', async () => {
    agent.double.revoke(agent.enrolled.identity.agentId);
    await watching.waitForLine(
      /changes are not followed for now: this agent was revoked .* enrol it again/,
    );
    expect(await readFile(output, 'utf8')).toBe('a1-1-b1');
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

  test('goes on after a command that could not be started, and runs it at the next change', async () => {
    const home = agent.enrolled.home.path;
    const folder = join(home, 'folder');
    const program = join(folder, 'program');
    await mkdir(folder);
    await writeFile(program, '#!/bin/sh\ncat "$1"; echo\n', { mode: 0o700 });
    const other = startProcess({
      command: [
        ...[...agentCommand, 'render', '--socket', agent.enrolled.socket, '--watch'],
        ...['--debounce', '0', '--template', join(home, 'template')],
        ...['--output', join(home, 'other'), '--', program, join(home, 'other')],
      ],
    });
    await other.waitForLine(/^a1-1-b1$/);
    await rename(folder, join(home, 'away'));
    await writeFile(folder, 'a file');
    agent.double.putSecret('a', 'a2');
    await other.waitForLine(
      /could not be followed: .* 3 times: the command cannot be run \(ENOTDIR\)/,
    );
    await rm(folder);
    await rename(join(home, 'away'), folder);
    agent.double.putSecret('a', 'a3');
    await other.waitForLine(/^a3-1-b1$/);
    other.kill('SIGTERM');
    expect(await other.exited).toEqual({ code: 0, signal: null });
  });

  test('writes a file that could not be written as soon as it can, without another change', async () => {
    await rm(output);
    await mkdir(output);
    agent.double.putSecret('a', 'a2');
    await watching.waitForLine(/could not be followed: .*no regular file/);
    await rmdir(output);
    await watching.waitForLine(/^a2-1-b1$/);
  });

  test('leaves the file while a value is gone, says so with the line, and goes on when it is back', async () => {
    agent.double.deleteSecret('a');
    await watching.waitForLine(
      /a change could not be followed: .*template, line 1, column 1: a: the group is delivered no/,
    );
    expect(await readFile(output, 'utf8')).toBe('a1-1-b1');
    agent.double.putSecret('a', 'a3');
    await watching.waitForLine(/^a3-1-b1$/);
  });

  test('ends when what it has to tell cannot be told, and follows nothing any more', async () => {
    const home = agent.enrolled.home.path;
    const socket = join(home, 'relay.sock');
    const relay = createServer((client) => {
      const onwards = connect(agent.enrolled.socket);
      pipeline(client, onwards, client, () => {});
    });
    await once(relay.listen(socket), 'listening');
    const watched = join(home, 'watched');
    const told: string[] = [];
    const ended = runProgram(
      [
        ...['render', '--socket', socket, '--watch', '--debounce', '0'],
        ...['--template', join(home, 'template'), '--output', watched],
      ],
      {
        env: {},
        hostname: 'web-1',
        stdin: Readable.from(['']),
        stdout: { write: () => {} },
        stderr: {
          write: (text) => {
            told.push(text);
            if (told.length === 1) throw new Error('a defect');
          },
        },
      },
    );
    await until(() => existsSync(watched));
    agent.double.deleteSecret('a');
    expect(await ended).toBe(1);
    expect(told[0]).toContain('a change could not be followed');
    // Once nobody is connected, which a stream of changes would be.
    await once(relay.close(), 'close');
  });
});

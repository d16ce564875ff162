import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { expectNoLeftovers, startProcess } from '@sallyport/testkit/process';
import { libc } from '../src/host/libc.ts';
import { until } from './harness.ts';
import { agentCommand, runAgentProcess } from './run-agent.ts';
import { runningAgent, type RunningAgent } from './running-agent.ts';

const SECRET = 'pä$$ "word"';
let agent: RunningAgent;
let command: string[];

beforeAll(async () => {
  agent = await runningAgent((double) => double.putSecret('db/password', SECRET));
  const socket = ['--socket', agent.enrolled.socket];
  command = ['exec', ...socket, '--env', 'PASSWORD=secret:db/password'];
});
afterAll(async () => {
  await agent.end();
  await expectNoLeftovers();
});

const exec = (script: string, ...flags: string[]) =>
  runAgentProcess([...command, ...flags, '--', 'sh', '-c', script], {});

describe('[SG-20] exec, whose output is no terminal', () => {
  test('masks the value and its base64 in both streams, and keeps the exit code', async () => {
    const script =
      'echo "a $PASSWORD"; printf %s "$PASSWORD" | base64; echo "$PASSWORD" >&2; exit 7';
    expect(await exec(script)).toEqual({ code: 7, stdout: 'a ***\n***\n', stderr: '***\n' });
  });

  test('masks a value that is written in two pieces', async () => {
    const script = 'printf %s "${PASSWORD%ord\\"}"; printf %s "ord\\""';
    expect(await exec(script)).toMatchObject({ stdout: '***' });
  });

  test('shows it with --no-mask', async () => {
    expect(await exec('echo "$PASSWORD"', '--no-mask')).toMatchObject({ stdout: `${SECRET}\n` });
  });

  test('shows what may be the beginning of a value once the command is quiet', async () => {
    const script = 'printf "%s" "pä"; read -r _';
    const [node, main] = agentCommand;
    const child = spawn(node, [main, ...command, '--', 'sh', '-c', script]);
    const [seen]: unknown[] = await once(child.stdout, 'data');
    expect(String(seen)).toBe('pä');
    child.stdin.end('\n');
    await once(child, 'close');
  });

  test('passes all that a command that has ended wrote, also to who reads later', async () => {
    // More than the system holds for one reader, and less than for two: else it would wait for one to come.
    const script = 'head -c 260000 /dev/zero; echo "$PASSWORD"; echo "$$" >&2';
    const [node, main] = agentCommand;
    const child = spawn(node, [main, ...command, '--', 'sh', '-c', script]);
    const [pid]: unknown[] = await once(child.stderr, 'data');
    await until(() => !isThere(Number(pid)));
    const shown = await text(child.stdout);
    expect(shown.length).toBe(260_004);
    expect(shown.endsWith('\0***\n')).toBe(true);
  });

  test('ends with the command, though a process that it left behind keeps the streams', async () => {
    const left = await exec('sleep 300 & echo "$!"; echo last');
    const [pid, last] = left.stdout.split('\n');
    process.kill(Number(pid), 'SIGKILL');
    expect({ code: left.code, last }).toEqual({ code: 0, last: 'last' });
  });

  test('ends the command by its next write when nobody reads, as without a mask', async () => {
    const [node, main] = agentCommand;
    const child = spawn(node, [main, ...command, '--', 'sh', '-c', 'exec yes "$PASSWORD"']);
    await once(child.stdout, 'data');
    child.stdout.destroy();
    const [code]: unknown[] = await once(child, 'exit');
    // Either SIGPIPE or what the command makes of a write that fails; no success in either case.
    expect([1, 141]).toContain(code);
  });

  test('tells a command that goes on of a broken pipe, and ends as it ends', async () => {
    const [node, main] = agentCommand;
    const script = 'trap "" PIPE; yes 2>&1 >&3 | head -n 1 >&2; exit 4';
    const given = [main, ...command, '--', 'sh', '-c', `exec 3>&1; ${script}`];
    const child = spawn(node, given, { env: { ...process.env, LC_ALL: 'C' } });
    await once(child.stdout, 'data');
    child.stdout.destroy();
    const [told, [code]]: [string, unknown[]] = await Promise.all([
      text(child.stderr),
      once(child, 'exit'),
    ]);
    expect({ told, code }).toEqual({
      told: expect.stringContaining(libc() === undefined ? 'reset' : 'Broken pipe'),
      code: 4,
    });
  });
});

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

const why = existsSync('/usr/bin/script') ? undefined : 'script(1) is not there';
const describeOnTerminal = why === undefined ? describe : describe.skip;

describeOnTerminal(titleOrLeftOut('[SG-20] exec on a terminal', why), () => {
  test('ends when whoever was to read what a command has left goes away', async () => {
    // More than a pipe holds, and less than a pipe and a socket: the command ends, and some of it is still to be passed on.
    const script = 'head -c 150000 /dev/zero; echo "$$" >&2';
    const reader = 'read -r _ <&3';
    const given = [...agentCommand, ...command, '--', 'sh', '-c', script];
    const shell = spawn('sh', ['-c', `"$@" | sh -c '${reader}'`, 'sh', ...given], {
      stdio: ['ignore', 'inherit', 'pipe', 'pipe'],
    });
    const [, , told, leave] = shell.stdio;
    if (told === null || !(leave instanceof Socket)) throw new Error('no pipes');
    const [pid]: unknown[] = await once(told, 'data');
    await until(() => !isThere(Number(pid)));
    leave.end('\n');
    expect(await once(shell, 'close')).toEqual([0, null]);
  });

  test('leaves the terminal to the command, unmasked', async () => {
    const inner = [...agentCommand, ...command, '--', 'sh', '-c', 'test -t 1 && echo "$PASSWORD"'];
    const line = inner.map((word) => `'${word}'`).join(' ');
    const ran = startProcess({ command: ['script', '-qec', line, '/dev/null'] });
    expect(await ran.exited).toEqual({ code: 0, signal: null });
    expect(ran.stdout).toEqual([expect.stringContaining(SECRET)]);
  });
});

import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { expectNoLeftovers, startProcess, type TestProcess } from '@sallyport/testkit/process';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, type Enrolled } from './harness.ts';
import { agentCommand, runAgentProcess } from './run-agent.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let daemon: TestProcess;
let flags: string[];

beforeAll(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 'pä$$ "word"');
  double.putSecret('with-nul', 'a\0b\u009b2J\u202e');
  double.putPlugin('rate-limit', { perSecond: 5 });
  enrolled = await enrollWith(double);
  flags = ['--state-dir', enrolled.stateDir, '--socket', enrolled.socket];
  daemon = startProcess({ command: [...agentCommand, 'run', ...flags] });
  await daemon.waitForLine(/"revision applied"/);
});

afterAll(async () => {
  await daemon.stop();
  await double.stop();
  await enrolled.home.remove();
  await expectNoLeftovers();
});

const sallyportAgent = (args: string[], env: Record<string, string> = {}) =>
  runAgentProcess(args, { HOME: enrolled.home.path, ...env });

describe('[SG-25] get', () => {
  test('prints the value and nothing else', async () => {
    expect(await sallyportAgent(['get', 'db/password', ...flags])).toEqual({
      code: 0,
      stdout: 'pä$$ "word"',
      stderr: '',
    });
  });

  test('prints JSON when asked, and takes the socket from the environment', async () => {
    const { code, stdout } = await sallyportAgent(['get', 'db/password', '--json'], {
      SALLYPORT_AGENT_SOCKET: enrolled.socket,
    });
    expect({ code, reply: JSON.parse(stdout) }).toMatchObject({
      code: 0,
      reply: { name: 'db/password', version: 1 },
    });
  });

  test('prints as JSON nothing that a terminal would obey, and the same value', async () => {
    const { stdout } = await sallyportAgent(['get', 'with-nul', '--json', ...flags]);
    expect(stdout).toContain(String.raw`"a\u0000b\u009b2J\u202e"`);
    expect(JSON.parse(stdout)).toMatchObject({ value: 'a\0b\u009b2J\u202e' });
  });

  test('over a socket whose path is too long says so', async () => {
    const tooLong = ['--socket', `/${'x'.repeat(110)}`];
    expect(await sallyportAgent(['get', 'db/password', ...tooLong])).toEqual({
      code: 8,
      stdout: '',
      stderr: expect.stringMatching(/^sallyport-agent: the socket path is 111 bytes long, and/),
    });
  });

  test('of what is not there exits 3 with one line and no output', async () => {
    expect(await sallyportAgent(['get', 'nowhere', ...flags])).toEqual({
      code: 3,
      stdout: '',
      stderr:
        'sallyport-agent: the group is delivered no secret of this name — see what there is with: sallyport-agent list, or, if it is lent out, take it with: sallyport-agent lease take\n',
    });
  });

  test('of a configuration exits 3 and says how that is read', async () => {
    expect(await sallyportAgent(['get', 'rate-limit', ...flags])).toEqual({
      code: 3,
      stdout: '',
      stderr:
        'sallyport-agent: the group is delivered no secret of this name, but a configuration — read it at /v1/config/rate-limit of the socket, or in a template: {{ "rate-limit" | config | json }}\n',
    });
  });

  test('without a running agent exits 4 and says how to start one', async () => {
    const { code, stdout, stderr } = await sallyportAgent([
      'get',
      'db/password',
      '--socket',
      join(enrolled.home.path, 'none'),
    ]);
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
    expect(stderr).toMatch(
      /^sallyport-agent: no agent answers at .*\(ENOENT\) — start it with: sallyport-agent run.*\n$/,
    );
  });
});

describe('[SG-25] list and status', () => {
  test('list names what there is, without values', async () => {
    const { stdout } = await sallyportAgent(['list', ...flags]);
    expect(stdout).toBe(
      'secret  db/password  version 1\nsecret  with-nul  version 1\nconfig  rate-limit  version 1\n',
    );
    const { stdout: json } = await sallyportAgent(['list', '--json', ...flags]);
    expect(JSON.parse(json)).toMatchObject({
      secrets: [{ name: 'db/password', version: 1 }, { name: 'with-nul' }],
      configs: [{ name: 'rate-limit' }],
    });
  });

  test('status tells how the agent is, for people and for programs', async () => {
    const { code, stdout } = await sallyportAgent(['status', ...flags]);
    expect(code).toBe(0);
    expect(stdout).toContain('status         ready\n');
    expect(stdout).toContain(`control plane  ${double.url} connected since `);
    const { stdout: json } = await sallyportAgent(['status', '--json', ...flags]);
    expect(JSON.parse(json)).toMatchObject({ status: 'ready', agent: { name: 'web-1' } });
  });
});

describe('[SG-25] exec', () => {
  const exec = (env: string[], ...command: string[]) =>
    sallyportAgent([
      ...['exec', ...flags, '--no-mask'],
      ...env.flatMap((one) => ['--env', one]),
      ...['--', ...command],
    ]);

  test('gives the command the secret in its environment, and its own arguments untouched', async () => {
    const { code, stdout } = await exec(
      ['DB_PASSWORD=secret:db/password'],
      'sh',
      '-c',
      'printf %s "$DB_PASSWORD|$1|$HOME"',
      'sh',
      '--env',
    );
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: `pä$$ "word"|--env|${enrolled.home.path}`,
    });
  });

  test('exits as the command does', async () => {
    expect((await exec([], 'sh', '-c', 'exit 42')).code).toBe(42);
  });

  test('exits with 128 and the signal’s number when one ends the command', async () => {
    expect((await exec([], 'sh', '-c', 'kill -KILL $$')).code).toBe(137);
  });

  test.each([
    ['is missing', 'X=secret:nowhere', 3, 'nowhere: the group is delivered no secret'],
    ['has no fields', 'X=secret:with-nul#user', 3, 'with-nul: the secret is no JSON'],
    ['cannot be a variable’s value', 'X=secret:with-nul', 2, 'NUL'],
    ['is not asked for in the right form', 'X=db/password', 2, 'NAME=secret:'],
    ['has no valid variable', '1X=secret:db/password', 2, 'NAME=secret:'],
  ])('does not start the command when a value %s', async (_, env, code, message) => {
    const marker = join(enrolled.home.path, 'started');
    const outcome = await exec(['DB_PASSWORD=secret:db/password', env], 'touch', marker);
    expect(outcome).toEqual({ code, stdout: '', stderr: expect.stringContaining(message) });
    expect(outcome.stderr).not.toContain('word');
    await expect(access(marker)).rejects.toThrow('ENOENT');
  });

  test('exits 127 for a command that is not there and 126 for one that cannot be run', async () => {
    expect((await exec([], 'no-such-command')).code).toBe(127);
    const file = join(enrolled.home.path, 'not-executable');
    await writeFile(file, '');
    expect((await exec([], file)).code).toBe(126);
  });

  const passedOn = ['TERM', 'HUP', 'INT', 'QUIT', 'USR1', 'USR2', 'CONT', 'WINCH'] as const;
  test.each(passedOn)('passes SIG%s on to the command', async (name) => {
    const script = `trap 'echo got; exit 7' ${name}; echo ready; while :; do sleep 0.05; done`;
    const child = startProcess({
      command: [...agentCommand, 'exec', ...flags, '--', 'sh', '-c', script],
    });
    await child.waitForLine(/ready/);
    child.kill(`SIG${name}`);
    expect(await child.exited).toEqual({ code: 7, signal: null });
    expect(child.stdout).toEqual(['ready', 'got']);
  });
});

const onLinux = process.platform === 'linux' ? test : test.skip;

describe('a value whose reader is gone', () => {
  const piped = (redirection: string) =>
    startProcess({
      command: [
        'sh',
        '-c',
        `"$0" "$@" ${redirection}`,
        ...agentCommand,
        'get',
        'db/password',
        ...flags,
      ],
    });

  test('is no failure for a pipe: its reader has what it wanted', async () => {
    const left = piped('| true');
    await left.exited;
    expect(left.output()).toBe('');
  });

  onLinux('is a failure for a file, which would look whole', async () => {
    const full = piped('> /dev/full');
    expect(await full.exited).toEqual({ code: 1, signal: null });
    expect(full.output()).toMatch(/^sallyport-agent: standard output cannot be written \(ENOSPC\)/);
  });
});

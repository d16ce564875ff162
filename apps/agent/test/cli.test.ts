import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, lstat, mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { expectNoLeftovers, startProcess, type TestProcess } from '@sallyport/testkit/process';
import { runProgram } from '../src/cli/program.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { askSocket, enrollWith, until, type Enrolled } from './harness.ts';

const main = join(import.meta.dirname, '../src/main.ts');
const node = process.execPath;

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let daemon: TestProcess;
let flags: string[];

beforeAll(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 'pä$$ "word"');
  double.putSecret('with-nul', 'a\0b');
  double.putPlugin('rate-limit', { perSecond: 5 });
  enrolled = await enrollWith(double);
  flags = ['--state-dir', enrolled.stateDir, '--socket', enrolled.socket];
  daemon = startProcess({ command: [node, main, 'run', ...flags] });
  await daemon.waitForLine(/"revision applied"/);
});

afterAll(async () => {
  await daemon.stop();
  await double.stop();
  await enrolled.home.remove();
  await expectNoLeftovers();
});

type Outcome = { code: number; stdout: string; stderr: string };

/** `sallyport-agent …` as a process of its own. */
function sallyportAgent(args: string[], env: Record<string, string> = {}): Promise<Outcome> {
  const given = { PATH: process.env['PATH'] ?? '', HOME: enrolled.home.path, ...env };
  return new Promise((resolve) => {
    execFile(node, [main, ...args], { env: given }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

/** The same in this process, for what no process boundary changes. */
async function inProcess(args: string[]): Promise<Outcome> {
  const written = { stdout: '', stderr: '' };
  const code = await runProgram(args, {
    env: {},
    hostname: 'web-1',
    stdin: process.stdin,
    stdout: { write: (text) => (written.stdout += text.toString()) },
    stderr: { write: (text) => (written.stderr += text) },
  });
  return { code, ...written };
}

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

  test('of what is not there exits 3 with one line and no output', async () => {
    expect(await sallyportAgent(['get', 'nowhere', ...flags])).toEqual({
      code: 3,
      stdout: '',
      stderr:
        'sallyport-agent: the group has no secret of this name — see what there is with: sallyport-agent list\n',
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
    sallyportAgent(['exec', ...flags, ...env.flatMap((one) => ['--env', one]), '--', ...command]);

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
    ['is missing', 'X=secret:nowhere', 3, 'nowhere: the group has no secret'],
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

  test.each(['SIGTERM', 'SIGHUP', 'SIGUSR2'] as const)(
    'passes %s on to the command',
    async (signal) => {
      const script = `trap 'echo got; exit 7' ${signal.slice(3)}; echo ready; while :; do sleep 0.05; done`;
      const child = startProcess({
        command: [node, main, 'exec', ...flags, '--', 'sh', '-c', script],
      });
      await child.waitForLine(/ready/);
      child.kill(signal);
      expect(await child.exited).toEqual({ code: 7, signal: null });
      expect(child.stdout).toEqual(['ready', 'got']);
    },
  );
});

describe('a command line that is wrong', () => {
  test.each([
    ['an unknown command', ['lst'], /unknown command \(Did you mean list\?\)/],
    ['an unknown option', ['get', 'x', '--fast'], /unknown option '--fast'/],
    ['a missing argument', ['get'], /missing required argument 'name'/],
    ['an unknown key in the configuration', ['list', '--config', 'CONFIG'], /sockets/],
    ['an empty socket', ['get', 'x', '--socket', ''], /--socket is empty — give it a path/],
    ['an empty state directory', ['run', '--state-dir='], /--state-dir is empty/],
    ['an empty configuration file', ['list', '--config='], /--config is empty/],
    ['a missing configuration file', ['list', '--config', '/no/file.yaml'], /\/no\/file\.yaml/],
  ])('because of %s exits 2 and names it', async (_, args, message) => {
    const config = join(enrolled.home.path, 'agent.yaml');
    await writeFile(config, 'sockets: /tmp/x\n');
    const { code, stdout, stderr } = await inProcess(
      args.map((arg) => (arg === 'CONFIG' ? config : arg)),
    );
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^ {4}at /m);
  });
});

describe('a secret on a command line', () => {
  test.each([
    ['after =', ['enroll', '--url', 'x', '--token=sp_enroll_canary'], "unknown option '--token'"],
    [
      'without =',
      ['enroll', '--url', 'x', '--tokensp_enroll_canary'],
      "unknown option '--tokensp'",
    ],
    ['after a letter', ['enroll', '--url', 'x', '-tcanary'], "unknown option '-t'"],
    ['as an argument', ['run', 'sp_enroll_canary'], 'too many arguments'],
    ['as the command', ['sp_enroll_canary'], 'unknown command'],
  ])('%s is refused and not repeated', async (_, args, told) => {
    const { code, stdout, stderr } = await inProcess(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^sallyport-agent: [^\n]*\n$/);
    expect(stderr).toContain(told);
    expect(stderr).not.toContain('canary');
  });
});

describe('run', () => {
  test('before an enrolment exits 7 and says what to do', async () => {
    const { code, stderr } = await sallyportAgent([
      'run',
      '--state-dir',
      join(enrolled.home.path, 'empty'),
    ]);
    expect(code).toBe(7);
    expect(stderr).toMatch(
      /^sallyport-agent: no agent is enrolled in .* — run: sallyport-agent enroll\n$/,
    );
  });

  test('in a directory that others can read exits 6 with the command that repairs it', async () => {
    const open = join(enrolled.home.path, 'open');
    await mkdir(open);
    await chmod(open, 0o755);
    const { code, stderr } = await sallyportAgent(['run', '--state-dir', open]);
    expect({ code, stderr }).toEqual({
      code: 6,
      stderr: expect.stringContaining(`chmod 700 ${open}`),
    });
  });

  test('at a socket whose name is a number makes that file, and opens no TCP port', async () => {
    const other = await enrollWith(double, 'numbered');
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const address = probe.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await new Promise((resolve) => probe.close(resolve));
    const at = ['--state-dir', other.stateDir, '--socket', String(port)];
    const agent = startProcess({ command: [node, main, 'run', ...at], cwd: other.home.path });
    await agent.waitForLine(/"revision applied"/);
    const asked = startProcess({
      command: [node, main, 'get', 'db/password', ...at],
      cwd: other.home.path,
    });
    expect(await asked.exited).toEqual({ code: 0, signal: null });
    expect(asked.output()).toBe('pä$$ "word"');
    expect((await lstat(join(other.home.path, String(port)))).isSocket()).toBe(true);
    await expect(once(connect(port, '127.0.0.1'), 'connect')).rejects.toThrow('ECONNREFUSED');
    await agent.stop();
    await other.home.remove();
  });

  test('at a socket that is in use exits 8', async () => {
    const other = await enrollWith(double, 'web-3');
    const own = ['--state-dir', other.stateDir, '--socket', enrolled.socket];
    const { code, stderr } = await sallyportAgent(['run', ...own]);
    expect({ code, stderr }).toEqual({
      code: 8,
      stderr: expect.stringContaining(`another agent answers at ${enrolled.socket}`),
    });
    await other.home.remove();
  });

  test('[F-02] killed and started again without a control plane, it serves in under two seconds and stops in two', async () => {
    const other = await enrollWith(double, 'web-2');
    const command = [node, main, 'run', '--state-dir', other.stateDir, '--socket', other.socket];
    const first = startProcess({ command });
    await until(() =>
      double
        .requestsTo('/agent/v1/pull')
        .some(({ body }) => body.includes(`"revision":${double.group.revision}`)),
    );
    await first.waitForLine(/"revision applied"/);
    await until(() =>
      access(join(other.stateDir, 'bundle.json')).then(
        () => true,
        () => false,
      ),
    );
    first.kill('SIGKILL');
    await first.exited;
    await double.stop();

    const startedAt = performance.now();
    const second = startProcess({ command });
    const served = await until(() =>
      askSocket(other.socket, '/v1/secrets/db/password').catch(() => undefined),
    );
    const servedMs = performance.now() - startedAt;
    expect(JSON.parse(served.body)).toMatchObject({ value: 'pä$$ "word"' });
    expect(servedMs).toBeLessThan(2000);

    const stoppingAt = performance.now();
    expect(await second.stop()).toEqual({ code: 0, signal: null });
    expect(performance.now() - stoppingAt).toBeLessThan(2000);
    await expect(access(other.socket)).rejects.toThrow('ENOENT');
    await double.start();
    await other.home.remove();
  });
});

test('the log is JSON on standard error, tells the agent’s life, and holds no value and no key', async () => {
  const lines = daemon.stderr.map((line) => JSON.parse(line));
  expect(lines.map(({ msg }) => msg)).toEqual(
    expect.arrayContaining(['listening', 'session opened', 'revision applied']),
  );
  const { signingKey, encryptionKey } = JSON.parse(
    await readFile(join(enrolled.stateDir, 'identity.json'), 'utf8'),
  );
  for (const canary of ['word', 'perSecond', signingKey.d, encryptionKey.d])
    expect(daemon.output()).not.toContain(canary);
});

const onLinux = process.platform === 'linux' ? test : test.skip;

describe('a value whose reader is gone', () => {
  const piped = (redirection: string) =>
    startProcess({
      command: ['sh', '-c', `"$0" "$@" ${redirection}`, node, main, 'get', 'db/password', ...flags],
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

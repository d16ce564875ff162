import { spawnSync } from 'node:child_process';
import { chmod } from 'node:fs/promises';
import { platform } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { expectNoLeftovers, startProcess, type TestProcess } from '@sallyport/testkit/process';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { unusedPort } from '@sallyport/testkit/unused-port';
import { readLocally } from '../../tools/demo/application.ts';
import { processesNow } from '../fixtures/places.ts';
import { outcomeOf, type Outcome } from '../fixtures/program.ts';
import { readTutorial } from '../fixtures/tutorial-page.ts';

const root = join(import.meta.dirname, '../..');
const RUNNING = /Sallyport is running\./;
const START_MS = 60_000;
const has = (program: string) => spawnSync(program, ['--version']).error === undefined;
/** util-linux's `script` gives a command a terminal to ask at. */
const hasTerminal = platform() === 'linux' && has('script');

const started: TestProcess[] = [];
let folder: TempDirectory;
let environment: Record<string, string>;
let agentSocket: string;
let server: TestProcess;
let printed: { text: string; password: string; fingerprint: string };

beforeAll(async () => {
  folder = await createTempDirectory('tutorial');
  // The embedded server runs as a user of its own when the test runs as root.
  await chmod(folder.path, 0o711);
  agentSocket = join(folder.path, 'agent', 'agent.sock');
  environment = {
    HOME: folder.path,
    SALLYPORT_DATA_DIR: join(folder.path, 'control-plane'),
    SALLYPORT_OPERATOR_API_PORT: String(await unusedPort()),
    SALLYPORT_AGENT_API_PORT: String(await unusedPort()),
    SALLYPORT_METRICS_PORT: String(await unusedPort()),
    SALLYPORT_AGENT_STATE_DIR: join(folder.path, 'agent'),
  };
  server = start('npm start');
  await server.waitForLine(/Then run the agent with/, START_MS);
  const text = server.stdout.join('\n');
  printed = {
    text,
    password: /^ {2}Password +(\S+) {3}\(shown this once/m.exec(text)?.[1] ?? '',
    fingerprint: /^ {2}Fingerprint +(\S+)$/m.exec(text)?.[1] ?? '',
  };
}, 90_000);
afterAll(async () => {
  // After a failure: what was killed instead would leave its own children behind.
  await Promise.all(started.map((process) => process.stop()));
  await expectNoLeftovers();
  await folder.remove();
}, 60_000);

/** A command line as it was typed at a shell, in a process group of its own. */
function start(line: string, { typed = '', env = {} } = {}): TestProcess {
  const process = startProcess({
    // Replaced by the command where it is one, so that a signal is the command's.
    command: ['sh', '-c', /[|&]/.test(line) ? line : `exec ${line}`],
    cwd: root,
    env: { ...environment, ...env },
    input: typed,
    ownGroup: true,
  });
  started.push(process);
  return process;
}

/** Runs a command to its end, which must be good. What it asks for is typed, at a terminal where there is one. */
async function follow(line: string, typed?: string, env = {}): Promise<Outcome> {
  const asking = typed !== undefined && hasTerminal;
  const piped = line.includes('login') ? { SALLYPORT_PASSWORD: typed ?? '' } : {};
  const outcome = await outcomeOf(
    asking
      ? start(`script -qefc '${line}' /dev/null`, { typed: `${typed}\n`, env })
      : start(line, { typed: typed ?? '', env: { ...piped, ...env } }),
  );
  const { code, stdout, stderr } = outcome;
  if (code !== 0) throw new Error(`${line} exited ${code}:\n${stdout}\n${stderr}`);
  return outcome;
}

/** Nothing of this installation runs any more: nothing below npm, and no Postgres. */
async function expectNothingRuns(): Promise<void> {
  const running = (await processesNow()).filter(({ bytes }) => bytes.includes(folder.path));
  expect(running.map(({ bytes }) => bytes.toString())).toEqual([]);
}

const agentList = 'bin/sallyport agent list --group demo';
const tokenIn = (text: string) => /sp_enroll_\w+/.exec(text)?.[0] ?? '';

test('[A7-15] npm start prints what a newcomer needs, and the password once', () => {
  const { text, password } = printed;
  expect(password).toMatch(/^\S{24}$/);
  expect(text.split(password)).toHaveLength(2);
  expect(text).toMatch(/^ {2}Operator API +https:\/\/127\.0\.0\.1:\d+ /m);
  expect(text).toMatch(/^ {2}Fingerprint +SHA256:([0-9A-F]{2}:){31}[0-9A-F]{2}$/m);
  expect(text).toMatch(/^ {2}Owner +owner$/m);
  expect(server.stderr.join('\n')).not.toContain(password);
});

test('[SG-01] its three commands, followed to the letter but for the group’s name, make an agent that runs', async () => {
  const commands = server.stdout.filter((line) => line.startsWith('  bin/'));
  expect(commands).toHaveLength(3);
  const [login = '', makeToken = '', enroll = ''] = commands.map((line) => line.trim());
  const place = { SALLYPORT_AGENT_STATE_DIR: join(folder.path, 'first-agent') };
  await follow(login, printed.password);
  const made = await follow(makeToken.replaceAll('demo', 'printed'));
  await follow(enroll, tokenIn(made.stdout), place);
  const agent = start('bin/sallyport-agent run', { env: place });
  await agent.waitForLine(/the control plane serves this agent/);
  agent.pressCtrlC();
  expect(await agent.exited).toMatchObject({ code: 0 });
  await follow('bin/sallyport logout');
}, 60_000);

test('[SG-01] [F-02] the tutorial of README.md, run line by line, does what the page says', async () => {
  const { blocks, closing } = readTutorial('Five minutes');
  const outputs = new Map<string, string[]>();
  const lastOf = (line: string) => outputs.get(line)?.at(-1);
  let agent: TestProcess | undefined;
  let revision = 1;

  const perform = async (line: string): Promise<string> => {
    if (line === 'npm start') return printed.text;
    if (line === 'bin/sallyport-agent run') {
      agent = start(line);
      await agent.waitForLine(/"listening"/);
      return '';
    }
    const asked = line.includes(' login ')
      ? printed.password
      : line.includes('--token-file -')
        ? tokenIn(lastOf('bin/sallyport token create --group demo') ?? '')
        : undefined;
    const { stdout } = await follow(asWritten(line), asked);
    if (line.includes('secret set')) {
      revision += 1;
      await agent?.waitForLine(new RegExp(`"revision":${revision},.*"revision applied"`));
    }
    return stdout;
  };

  for (const { prose, commands } of blocks) {
    if (prose.includes('Stop the control plane with Ctrl-C')) await pressCtrlC(server);
    if (prose.includes('Stop the agent with Ctrl-C')) await pressCtrlC(agent);
    for (const { line, shows } of commands) {
      const output = line.startsWith('curl ') ? await curl(line) : await perform(line);
      if (shows.length > 0) expect({ line, output }).toEqual({ line, output: shows.join('\n') });
      outputs.set(line, [...(outputs.get(line) ?? []), output]);
    }
  }
  const get = 'bin/sallyport-agent get db/password';
  const [before, ...after] = outputs.get(get) ?? [];
  expect(before).toBe('correct horse');
  // Changed; without the control plane; and after a restart of the agent without it.
  expect(after).toEqual(['battery staple', 'battery staple', 'battery staple']);
  expect([...outputs].find(([line]) => line.endsWith('printenv PGPASSWORD'))?.[1]).toEqual([
    'correct horse',
  ]);
  expect(lastOf('bin/sallyport-agent status')).toMatch(/^status +ready$/m);

  const agentId = /edge-1 +(\S+)/.exec(lastOf(agentList) ?? '')?.[1] ?? '';
  await endOfTheTutorial(closing, agentId, agent);
}, 120_000);

/** The control plane is back, without a new password; the commands in the text are given the agent's id. */
async function endOfTheTutorial(
  closing: string[],
  agentId: string,
  agent: TestProcess | undefined,
): Promise<void> {
  const again = start('npm start');
  await again.waitForLine(RUNNING, START_MS);
  await agent?.waitForLine(/the control plane serves this agent/, START_MS);
  expect(closing).toEqual(['bin/sallyport agent diagnose ID', 'bin/sallyport agent revoke ID']);
  for (const line of closing) await follow(line.replace('ID', agentId));
  const [makeToken = ''] = again.stdout.filter((line) => line.includes('token create'));
  const { stdout } = await follow(makeToken.trim());
  expect(tokenIn(stdout)).not.toBe('');
  await pressCtrlC(agent);
  again.kill('SIGTERM');
  expect(await again.exited).toEqual({ code: 0, signal: null });
  expect(again.output()).not.toMatch(/Password/);
  await expectNothingRuns();
}

test.each([
  ['the embedded database is being made', 'new', /initialising a new embedded database/],
  ['the embedded database has started', 'control-plane', /embedded Postgres started/],
  ['it says that it runs', 'control-plane', RUNNING],
])(
  'a Ctrl-C at bin/sallyport-server as soon as %s stops all of it',
  async (_, data, line) => {
    const third = start('bin/sallyport-server', {
      env: { SALLYPORT_DATA_DIR: join(folder.path, data) },
    });
    await third.waitForLine(line, START_MS);
    await pressCtrlC(third);
    expect(third.stderr.at(-1)).toMatch(/"stopped"/);
    await expectNothingRuns();
  },
  60_000,
);

/** What the reader puts in: the fingerprint; and where this test keeps its things, ports and socket. */
function asWritten(line: string): string {
  return line
    .replace('SHA256:…', printed.fingerprint)
    .replace(':8443', `:${environment['SALLYPORT_OPERATOR_API_PORT']}`)
    .replace(':9443', `:${environment['SALLYPORT_AGENT_API_PORT']}`)
    .replace('/var/lib/sallyport-agent/agent.sock', agentSocket);
}

/** `curl`, or the same request where there is none. */
async function curl(line: string): Promise<string> {
  if (has('curl')) return (await follow(asWritten(line))).stdout;
  return (await readLocally(agentSocket, new URL(line.split(' ').at(-1) ?? '').pathname)).body;
}

async function pressCtrlC(running: TestProcess | undefined): Promise<void> {
  running?.pressCtrlC();
  expect(await running?.exited).toEqual({ code: 0, signal: null });
}

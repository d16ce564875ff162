import { existsSync, readFileSync } from 'node:fs';
import { chmod, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { stopSurvivor } from '@sallyport/embedded-postgres/stop-survivor';
import { expectNoLeftovers, startProcess, type TestProcess } from '@sallyport/testkit/process';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';

const root = join(import.meta.dirname, '../..');
const RUNNING = /Sallyport is running\./;

let folder: TempDirectory;
beforeAll(async () => {
  folder = await createTempDirectory('first-start');
  // The embedded server runs as a user of its own when the test runs as root.
  await chmod(folder.path, 0o711);
});
afterAll(async () => {
  try {
    await expectNoLeftovers();
  } finally {
    await stopSurvivor(join(folder.path, 'control-plane', 'postgres'));
    await folder.remove();
  }
});

function start(command: string[], env: Record<string, string> = {}, input = ''): TestProcess {
  const paths = {
    SALLYPORT_CONFIG_DIR: join(folder.path, 'operator'),
    SALLYPORT_AGENT_STATE_DIR: join(folder.path, 'agent'),
  };
  return startProcess({ command, cwd: root, env: { ...paths, ...env }, input, ownGroup: true });
}

const serverEnvironment = () => ({
  SALLYPORT_DATA_DIR: join(folder.path, 'control-plane'),
  SALLYPORT_OPERATOR_API_PORT: '0',
  SALLYPORT_AGENT_API_PORT: '0',
  SALLYPORT_METRICS_PORT: '0',
});

/** What runs below a process, its database aside. */
function descendants(pid: number): number[] {
  const listed = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  const children = listed === '' ? [] : listed.split(' ').map(Number);
  return children.flatMap((child) => [child, ...descendants(child)]);
}

/** Nothing of a control plane runs any more: not what npm started, and not its Postgres. */
async function expectStopped(server: TestProcess, below: number[]): Promise<void> {
  expect(server.output()).toMatch(/"stopped"/);
  expect(below.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
  const cluster = join(folder.path, 'control-plane', 'postgres', 'data');
  expect(await readdir(cluster)).not.toContain('postmaster.pid');
}

test('[SG-01] [A7-15] npm start prints what a newcomer needs; its three commands, followed to the letter, make an agent that runs', async () => {
  const first = start(['npm', 'start'], serverEnvironment());
  await first.waitForLine(/Then run the agent with/, 60_000);
  const printed = first.stdout.join('\n');
  const password = /^ {2}Password +(\S+) {3}\(shown this once/m.exec(printed)?.[1] ?? '';
  expect(password).toMatch(/^\S{24}$/);
  expect(printed.split(password)).toHaveLength(2);
  expect(printed).toMatch(/^ {2}Operator API +https:\/\/127\.0\.0\.1:\d+ /m);
  expect(printed).toMatch(/^ {2}Fingerprint +SHA256:([0-9A-F]{2}:){31}[0-9A-F]{2}$/m);
  expect(printed).toMatch(/^ {2}Owner +owner$/m);

  const commands = first.stdout.filter((line) => line.startsWith('  bin/'));
  expect(commands).toHaveLength(3);
  const [login = '', makeToken = '', enroll = ''] = commands;
  const follow = async (line: string, env = {}, input = '') => {
    const followed = start(['sh', '-c', line], env, input);
    expect({ line, ...(await followed.exited), said: followed.stderr }).toMatchObject({ code: 0 });
    return followed.stdout.join('\n');
  };
  await follow(login, { SALLYPORT_PASSWORD: password });
  const token = /sp_enroll_\w+/.exec(await follow(makeToken))?.[0] ?? '';
  await follow(enroll, {}, token);
  const agent = start(['bin/sallyport-agent', 'run']);
  await agent.waitForLine(/the control plane serves this agent/);
  expect(await agent.stop()).toMatchObject({ code: 0 });

  const below = descendants(first.pid);
  first.pressCtrlC();
  expect(await first.exited).toEqual({ code: 0, signal: null });
  await expectStopped(first, below);
  expect(first.stderr.join('\n')).not.toContain(password);
}, 90_000);

test.each([['npm start'], ['bin/sallyport-server']])(
  'a second start, by %s, prints no password; a SIGTERM as soon as it says that it runs stops all of it',
  async (command) => {
    const second = start(command.split(' '), serverEnvironment());
    await second.waitForLine(RUNNING, 30_000);
    const below = descendants(second.pid);
    second.kill('SIGTERM');
    expect(await second.exited).toEqual({ code: 0, signal: null });
    await expectStopped(second, below);
    expect(second.output()).not.toMatch(/Password/);
  },
  60_000,
);

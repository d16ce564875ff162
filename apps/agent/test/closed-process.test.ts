import { spawnSync } from 'node:child_process';
import { chmod, chown, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { expectNoLeftovers, startProcess, type TestProcess } from '@sallyport/testkit/process';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { askSocket, enrollWith, until, type Enrolled } from './harness.ts';
import { askAs, asUser, whyNoOtherUser } from './other-user.ts';
import { agentCommand, runAgentProcess } from './run-agent.ts';

const onLinux = process.platform === 'linux' ? undefined : 'this is not Linux';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let workingDirectory: string;
beforeAll(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 'value');
});
beforeEach(async () => {
  enrolled = await enrollWith(double);
  workingDirectory = await mkdtemp(join(tmpdir(), 'sallyport-cores-'));
});
afterEach(async () => {
  await rm(workingDirectory, { recursive: true });
  await enrolled.home.remove();
});
afterAll(async () => {
  await double.stop();
  await expectNoLeftovers();
});

const settings = () => ({
  SALLYPORT_AGENT_STATE_DIR: enrolled.stateDir,
  SALLYPORT_AGENT_SOCKET: enrolled.socket,
});

/** The agent, with a limit of cores that would let any be written; resolves once it answers. */
async function runningAgent({
  env = {},
  as = [],
}: { env?: Record<string, string>; as?: string[] } = {}) {
  const agent = startProcess({
    command: [...as, ...withCores, ...agentCommand, 'run'],
    cwd: workingDirectory,
    env: { ...settings(), ...env },
  });
  await agent.waitForLine(/"listening"/);
  return agent;
}

const withCores = ['sh', '-c', 'ulimit -c unlimited; exec "$@"', 'sh'];

/** Asks until whatever a signal began would have begun. */
async function untilAnsweredOften(): Promise<void> {
  for (let asked = 0; asked < 20; asked += 1)
    expect((await askSocket(enrolled.socket, '/healthz')).status).toBeLessThan(600);
}

describe('[SG-33] an agent that was started to be looked into', () => {
  test.each([
    ['--inspect=127.0.0.1:0'],
    ['--heapsnapshot-signal=SIGUSR2'],
    ['--heapsnapshot_near_heap_limit=1'],
    ['"--tls-keylog=/dev/null"'],
  ])('does not run, by NODE_OPTIONS %s', async (options) => {
    const { code, stderr } = await runAgentProcess(['run'], {
      ...settings(),
      NODE_OPTIONS: options,
    });
    expect(code).toBe(2);
    expect(stderr).toMatch(/Node was started with --[a-z-]+, which lets others read/);
    expect(stderr).not.toMatch(/"listening"/);
  });

  test.each([['NODE_DEBUG'], ['NODE_DEBUG_NATIVE']])('does not run, by %s', async (name) => {
    const { code, stderr } = await runAgentProcess(['run'], { ...settings(), [name]: 'http' });
    expect(code).toBe(2);
    expect(stderr).toMatch(/Node was started with NODE_DEBUG.*, which prints what/);
    expect(stderr).not.toMatch(/"listening"/);
  });

  test('does not run, by a file of Node’s options', async () => {
    const file = join(workingDirectory, 'node.config.json');
    await writeFile(file, '{}');
    const [node, main] = agentCommand;
    const command = [node, `--experimental-config-file=${file}`, main, 'run'];
    const agent = startProcess({ command, env: settings() });
    expect(await agent.exited).toEqual({ code: 2, signal: null });
    expect(agent.output()).toMatch(/started with --experimental-config-file/);
  });

  test('does not run, by its command line', async () => {
    const [node, main] = agentCommand;
    const command = [node, '--inspect=127.0.0.1:0', main, 'run'];
    const agent = startProcess({ command, env: settings() });
    expect(await agent.exited).toEqual({ code: 2, signal: null });
  });
});

describe('[SG-33] an agent that runs', () => {
  test('opens no debugger on SIGUSR1, as Node does', async () => {
    const bare = startProcess({
      command: [
        process.execPath,
        '--inspect-port=0',
        '--eval',
        'setInterval(() => {}, 1e6); console.log("on")',
      ],
    });
    await bare.waitForLine(/^on$/);
    bare.kill('SIGUSR1');
    await bare.waitForLine(/Debugger listening/);
    bare.kill('SIGKILL');
    await bare.exited;

    const agent = await runningAgent();
    agent.kill('SIGUSR1');
    await untilAnsweredOften();
    expect(await agent.stop()).toEqual({ code: 0, signal: null });
    expect(agent.output()).not.toMatch(/Debugger/);
  });

  test('writes no diagnostic report, whatever Node was told', async () => {
    const options = '--report-on-signal --report-on-fatalerror --report-uncaught-exception';
    const agent = await runningAgent({ env: { NODE_OPTIONS: options } });
    agent.kill('SIGUSR2');
    await agent.exited;
    expect(await readdir(workingDirectory)).toEqual([]);
  });
});

/** Where cores are files of the directory that a process runs in. */
async function whyNoCores(): Promise<string | undefined> {
  if (onLinux !== undefined) return onLinux;
  const pattern = (await readFile('/proc/sys/kernel/core_pattern', 'utf8')).trim();
  if (/[|/]/.test(pattern)) return `cores go to ${pattern}`;
  const home = await mkdtemp(join(tmpdir(), 'sallyport-core-'));
  const [program, ...args] = [...withCores, 'sh', '-c', 'kill -ABRT $$'];
  spawnSync(program, args, { cwd: home });
  const written = await readdir(home);
  await rm(home, { recursive: true });
  return written.length > 0 ? undefined : 'this host writes no cores';
}

const noCores = await whyNoCores();
(noCores === undefined ? test : test.skip)(
  titleOrLeftOut(
    '[SG-33] an agent that is aborted leaves no core, where another program does',
    noCores,
  ),
  async () => {
    const agent = await runningAgent();
    const { body } = await askSocket(enrolled.socket, '/healthz');
    expect(JSON.parse(body).memory).toEqual({ locked: true, dumpable: false, reason: null });
    expect(await readFile(`/proc/${agent.pid}/limits`, 'utf8')).toMatch(
      /^Max core file size +0 +0 /m,
    );
    agent.kill('SIGABRT');
    expect((await agent.exited).signal).toBe('SIGABRT');
    expect(await readdir(workingDirectory)).toEqual([]);
  },
);

const noOtherUser = whyNoOtherUser();
const describeAsUser = noOtherUser === undefined ? describe : describe.skip;
describeAsUser(
  titleOrLeftOut('[SG-33] the memory of an agent that is not root', noOtherUser),
  () => {
    const USER = 12_345;
    /** Whether a program of the same user can open the memory of this one. */
    const reads = ({ pid }: TestProcess) => {
      const [program, ...args] = [...asUser(USER), 'head', '--bytes=0', `/proc/${pid}/mem`];
      return spawnSync(program, args).status === 0;
    };

    beforeEach(async () => {
      await chmod(enrolled.home.path, 0o755);
      await chown(enrolled.home.path, USER, USER);
      await chown(enrolled.stateDir, USER, USER);
      for (const file of await readdir(enrolled.stateDir))
        await chown(join(enrolled.stateDir, file), USER, USER);
      await chmod(workingDirectory, 0o777);
    });

    test('cannot be read by another program of its user, as that of other programs can', async () => {
      const sleeper = startProcess({ command: [...asUser(USER), 'sleep', '1000'] });
      await until(() => reads(sleeper));
      sleeper.kill('SIGKILL');
      await sleeper.exited;

      const agent = await runningAgent({ as: asUser(USER) });
      expect(reads(agent)).toBe(false);
      expect(await agent.stop()).toEqual({ code: 0, signal: null });
    });

    test('leaves the agent able to do all it does: give a socket to a group, tell how it is, and be looked at', async () => {
      const [file, socket] = ['agent.yaml', 'given.sock'].map((name) =>
        join(enrolled.home.path, name),
      );
      const further = `{ path: ${socket}, mode: '0660', group: ${USER}, allow: { secrets: ['*'] } }`;
      await writeFile(file ?? '', `localApi: { sockets: [${further}] }`, { mode: 0o600 });
      await chown(file ?? '', USER, USER);
      const env = { SALLYPORT_AGENT_CONFIG: file ?? '' };
      const agent = await runningAgent({ as: asUser(USER), env });
      await until(
        async () => (await askAs(USER, socket ?? '', '/v1/secrets/db/password')).status === 200,
      );
      const { body } = await askAs(USER, enrolled.socket, '/metrics');
      expect(body).toMatch(/^sallyport_agent_resident_memory_bytes \d{8,}$/m);
      const doctor = startProcess({
        command: [...asUser(USER), ...agentCommand, 'doctor'],
        env: { ...settings(), ...env },
      });
      expect(await doctor.exited).toEqual({ code: 0, signal: null });
      expect(doctor.output()).toMatch(/^ok +memory .*only root reads it$/m);
      expect(doctor.output()).not.toMatch(/^(warning|failed)/m);
      expect(await agent.stop()).toEqual({ code: 0, signal: null });
    });
  },
);

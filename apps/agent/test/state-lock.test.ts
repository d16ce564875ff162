import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { expectNoLeftovers, startProcess, type TestProcess } from '@sallyport/testkit/process';
import { createTempDirectory } from '@sallyport/testkit/temp';
import { StateDirectory } from '../src/state/state-directory.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { askSocket, enrollWith, until, type Enrolled } from './harness.ts';
import { agentCommand } from './run-agent.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;

beforeAll(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 's3cret');
});
afterAll(async () => {
  await double.stop();
  await expectNoLeftovers();
});
beforeEach(async () => {
  enrolled = await enrollWith(double);
});
afterEach(() => enrolled.home.remove());

function sallyportAgent(...args: string[]): TestProcess {
  return startProcess({ command: [...agentCommand, ...args] });
}

function run(socket = enrolled.socket, stateDir = enrolled.stateDir): TestProcess {
  return sallyportAgent('run', '--state-dir', stateDir, '--socket', socket);
}

async function running(): Promise<TestProcess> {
  const agent = run();
  await agent.waitForLine(/"listening"/);
  await until(async () => (await askSecret()).status === 200);
  return agent;
}

async function expectRefused(agent: TestProcess, stateDir = enrolled.stateDir): Promise<void> {
  expect(await agent.exited).toEqual({ code: 9, signal: null });
  expect(agent.output()).toBe(
    `sallyport-agent: another sallyport-agent uses ${stateDir} — stop it first, or give this one a --state-dir of its own`,
  );
}

const askSecret = () => askSocket(enrolled.socket, '/v1/secrets/db/password');

async function expectServed(): Promise<void> {
  expect(JSON.parse((await askSecret()).body)).toMatchObject({ value: 's3cret' });
}

describe('a state directory that an agent runs in', () => {
  test('is refused to a second one, also at another socket, and the first serves on', async () => {
    const first = await running();
    await expectRefused(run());
    await expectRefused(run(join(enrolled.home.path, 'other.sock')));
    await expectServed();
    expect(await first.stop()).toEqual({ code: 0, signal: null });
  });

  test('is refused to an enrolment, also with --force, before the token is used', async () => {
    const first = await running();
    const [tokenFile, caFile] = [join(enrolled.home.path, 'token'), join(enrolled.home.path, 'ca')];
    await writeFile(tokenFile, double.mintToken(), { mode: 0o600 });
    await writeFile(caFile, double.ca);
    double.received.length = 0;
    const target = ['--url', double.url, '--ca-file', caFile, '--token-file', tokenFile];
    await expectRefused(
      sallyportAgent('enroll', '--force', '--state-dir', enrolled.stateDir, ...target),
    );
    expect(double.requestsTo('/agent/v1/enroll')).toEqual([]);
    await first.stop();
  });

  test('is free again once that agent has stopped, and at once when it was killed', async () => {
    await (await running()).stop();
    const killed = await running();
    killed.kill('SIGKILL');
    await killed.exited;
    const next = await running();
    await expectServed();
    await next.stop();
  });

  test('goes to one of those that are started together after a crash, and its socket lives', async () => {
    const killed = await running();
    killed.kill('SIGKILL');
    await killed.exited;
    const started = [run(), run(), run()];
    const refused = await until(async () => {
      const ended = started.filter((agent) => agent.stderr.some((line) => line.includes(' uses ')));
      return ended.length === 2 && ended;
    });
    for (const agent of refused) await expectRefused(agent);
    const [winner] = started.filter((agent) => !refused.includes(agent));
    await winner?.waitForLine(/"listening"/);
    await until(async () => (await askSecret()).status === 200);
    await expectServed();
    expect(await winner?.stop()).toEqual({ code: 0, signal: null });
  });
});

describe('a state directory that an enrolment writes to', () => {
  test('is refused to an agent until the enrolment has ended', async () => {
    await using home = await createTempDirectory('enrolling');
    const stateDir = join(home.path, 'state');
    await using silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const address = silent.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const caFile = join(home.path, 'ca');
    await writeFile(caFile, double.ca);
    const enrolling = startProcess({
      command: [
        ...[...agentCommand, 'enroll', '--state-dir', stateDir, '--ca-file', caFile],
        ...['--url', `https://127.0.0.1:${port}`, '--token-file', '-'],
      ],
      input: double.mintToken(),
    });
    const [asked] = await once(silent, 'connection');
    await expectRefused(run(join(home.path, 'agent.sock'), stateDir), stateDir);
    asked.destroy();
    await enrolling.exited;
    expect((await run(join(home.path, 'agent.sock'), stateDir).exited).code).toBe(7);
  });
});

test('a directory is held by whoever opened it, in this process too, until it is let go of', async () => {
  {
    using held = await StateDirectory.open(enrolled.stateDir);
    await expect(StateDirectory.open(held.path)).rejects.toMatchObject({ code: 'state.in_use' });
    await expectRefused(run());
  }
  const agent = await running();
  await agent.stop();
});

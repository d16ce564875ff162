import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeEach, afterEach, describe, expect, test } from '@jest/globals';
import { expectNoLeftovers, startProcess, type TestProcess } from '@sallyport/testkit/process';
import { enrollWith, startDaemon, until } from './harness.ts';
import { agentCommand, runAgent } from './run-agent.ts';
import { runningAgent, type RunningAgent } from './running-agent.ts';

/** Says its values and its process at each start, and ends by SIGTERM. */
const SAYS = 'echo "$A $B $$"; exec tail -f /dev/null';
let agent: RunningAgent;
let ran: TestProcess | undefined;

beforeEach(async () => {
  agent = await runningAgent((double) => {
    double.putSecret('a', 'a1');
    double.putSecret('b', 'b1');
    double.putSecret('other', 'o1');
  });
});
afterEach(async () => {
  await ran?.stop();
  await agent.end();
});
afterAll(() => expectNoLeftovers());

function exec(flags: readonly string[], script: string): TestProcess {
  ran = start(flags, script);
  return ran;
}

function start(flags: readonly string[], script: string): TestProcess {
  const socket = ['--socket', agent.enrolled.socket];
  const values = ['--env', 'A=secret:a', '--env', 'B=secret:b'];
  return startProcess({
    command: [
      ...[...agentCommand, 'exec', ...socket, ...values, '--debounce', '0.05', ...flags],
      ...['--', 'sh', '-c', script],
    ],
  });
}

/** Changes secrets, one delivery for all of them. */
async function change(values: Record<string, string>): Promise<void> {
  for (const [name, value] of Object.entries(values)) agent.double.putSecret(name, value);
  await agent.delivered();
}

const processIn = (line: string | undefined) => line?.split(' ').at(-1);

describe('[SG-04] exec --on-change restart', () => {
  test('starts the command anew with the new values of one revision, and ends as it ends', async () => {
    const child = exec(['--on-change', 'restart'], SAYS);
    await child.waitForLine(/^a1 b1 /);
    await change({ a: 'a2', b: 'b2' });
    await child.waitForLine(/^a2 b2 /);
    expect(child.stdout).toHaveLength(2);
    expect(processIn(child.stdout[0])).not.toBe(processIn(child.stdout[1]));
    child.kill('SIGTERM');
    expect(await child.exited).toEqual({ code: 143, signal: null });
  });

  test('starts nothing anew once SIGTERM was sent, however long the command takes to end', async () => {
    const ending = 'trap "echo ending; until [ -e END ]; do sleep 0.05; done; exit 7" TERM';
    const end = join(agent.enrolled.home.path, 'end');
    const script = `${ending.replace('END', end)}; echo "$A"; while :; do sleep 0.05; done`;
    const child = exec(['--on-change', 'restart'], script);
    await child.waitForLine(/^a1$/);
    child.kill('SIGTERM');
    await child.waitForLine(/^ending$/);
    await change({ a: 'a2' });
    const asked = () => agent.daemon.ask('/metrics');
    const reads = async () =>
      Number(/resource="secrets",status="200"\} (\d+)/.exec((await asked()).body)?.[1]);
    // Both values were read at the start, and are read again for the change.
    await until(async () => (await reads()) >= 4);
    await writeFile(end, '');
    expect(await child.exited).toEqual({ code: 7, signal: null });
    expect(child.stdout).toEqual(['a1', 'ending']);
  });

  test.each(['SIGINT', 'SIGHUP'] as const)(
    'starts anew a command that has taken %s for something else',
    async (signal) => {
      const script = `trap 'echo taken' INT HUP; echo "$A"; while :; do sleep 0.05; done`;
      const child = exec(['--on-change', 'restart'], script);
      await child.waitForLine(/^a1$/);
      child.kill(signal);
      await child.waitForLine(/^taken$/);
      await change({ a: 'a2' });
      await child.waitForLine(/^a2$/);
    },
  );

  test('leaves it alone when another secret changes, or one is written that is the same', async () => {
    const child = exec(['--on-change', 'restart', '--debounce', '0'], SAYS);
    await child.waitForLine(/^a1 b1 /);
    await change({ other: 'o2', a: 'a1' });
    await change({ a: 'a2' });
    await child.waitForLine(/^a2 b1 /);
    expect(child.stdout).toHaveLength(2);
  });

  test('makes one restart of changes that come one after the other, for longer than --debounce', async () => {
    const child = exec(['--on-change', 'restart', '--debounce', '1'], SAYS);
    await child.waitForLine(/^a1 b1 /);
    const begunAt = performance.now();
    for (let turn = 0; performance.now() - begunAt < 1_500; turn += 1)
      await change({ b: `b${turn}` });
    await change({ a: 'a2' });
    await child.waitForLine(/^a2 b/);
    expect(child.stdout).toHaveLength(2);
  });

  test('waits for a part of --splay, and ends at once when it is told to meanwhile', async () => {
    const splayed = exec(['--on-change', 'restart', '--splay', '86400'], SAYS);
    await splayed.waitForLine(/^a1 b1 /);
    const other = start(['--on-change', 'restart', '--debounce', '0.5'], SAYS);
    await other.waitForLine(/^a1 b1 /);
    await change({ a: 'a2' });
    await other.waitForLine(/^a2 b1 /);
    await other.stop();
    expect(splayed.stdout).toHaveLength(1);
    expect(await splayed.stop()).toEqual({ code: 143, signal: null });
  });

  test('kills a command that is still there after --grace', async () => {
    const script = `trap '' TERM; echo "$A $$"; while :; do sleep 0.05; done`;
    const child = exec(['--on-change', 'restart', '--grace', '0.1'], script);
    await child.waitForLine(/^a1 /);
    await change({ a: 'a2' });
    const [, pid] = await child.waitForLine(/^a2 (\d+)$/);
    process.kill(Number(pid), 'SIGKILL');
    expect(await child.exited).toEqual({ code: 137, signal: null });
  });

  test('rewrites files before it starts the command anew', async () => {
    const file = join(agent.enrolled.home.path, 'a-file');
    const child = exec(
      ['--on-change', 'restart', '--file', `${file}=secret:a`],
      `cat "${file}"; echo " $$"; exec tail -f /dev/null`,
    );
    await child.waitForLine(/^a1 /);
    await change({ a: 'a2' });
    await child.waitForLine(/^a2 /);
  });

  test('keeps the command while the secret is gone, and says so', async () => {
    const child = exec(['--on-change', 'restart'], SAYS);
    await child.waitForLine(/^a1 b1 /);
    agent.double.deleteSecret('a');
    await child.waitForLine(/a change could not be followed: a: the group is delivered no secret/);
    await change({ a: 'a2' });
    await child.waitForLine(/^a2 b1 /);
    expect(child.stdout).toHaveLength(2);
  });

  test('learns of a change that came while the agent was away', async () => {
    const child = exec(['--on-change', 'restart'], SAYS);
    await child.waitForLine(/^a1 b1 /);
    await agent.daemon.stop();
    await child.waitForLine(/changes are not followed for now: no agent answers/);
    agent.double.putSecret('a', 'a2');
    await using _again = await startDaemon(agent.enrolled);
    await child.waitForLine(/^a2 b1 /);
  });

  test('keeps the command when the agent is revoked, says what to do, and goes on with the agent that is enrolled after it', async () => {
    const child = exec(['--on-change', 'restart'], SAYS);
    await child.waitForLine(/^a1 b1 /);
    agent.double.revoke(agent.enrolled.identity.agentId);
    await child.waitForLine(
      /changes are not followed for now: this agent was revoked .* enrol it again/,
    );
    await agent.daemon.stop();
    agent.double.putSecret('a', 'a2');
    const { home, stateDir } = await enrollWith(agent.double);
    await using _home = { [Symbol.asyncDispose]: () => home.remove() };
    await using _anew = await startDaemon({ stateDir, socket: agent.enrolled.socket });
    await child.waitForLine(/^a2 b1 /);
    expect(child.stdout).toHaveLength(2);
  });

  test('ends with the command’s own exit code when it ends by itself', async () => {
    expect(await exec(['--on-change', 'restart'], 'exit 9').exited).toEqual({
      code: 9,
      signal: null,
    });
  });

  test('starts nothing after a signal that came during the restart', async () => {
    const started = join(agent.enrolled.home.path, 'started');
    const mayEnd = join(agent.enrolled.home.path, 'may-end');
    const onTerm = `trap "" TERM; echo ending; until test -e "${mayEnd}"; do sleep 0.02; done; exit 5`;
    const script = `echo start >> "${started}"; trap '${onTerm}' TERM; echo ready; while :; do sleep 0.05; done`;
    const child = exec(['--on-change', 'restart'], script);
    await child.waitForLine(/^ready$/);
    await change({ a: 'a2' });
    await child.waitForLine(/^ending$/);
    child.kill('SIGTERM');
    await writeFile(mayEnd, '');
    expect(await child.exited).toEqual({ code: 5, signal: null });
    expect(await readFile(started, 'utf8')).toBe('start\n');
  });
});

test('[SG-04] exec acts on values that change all the time, after ten times --debounce', async () => {
  const child = exec(['--on-change', 'restart', '--debounce', '0.3'], SAYS);
  await child.waitForLine(/^a1 b1 /);
  let turn = 0;
  const restarted = () => child.stdout.length > 1;
  await until(async () => {
    turn += 1;
    await change({ a: `a-${turn}` });
    return restarted();
  }, 20_000);
  expect(child.stdout.length).toBeGreaterThan(1);
});

describe('[SG-04] exec --on-change signal', () => {
  test('sends it to the same process, after the files are rewritten', async () => {
    const file = join(agent.enrolled.home.path, 'a-file');
    // While it waits, the shell answers a signal at once.
    const onHup = `read -r now < "${file}"; echo "$now $$"`;
    const child = exec(
      ['--on-change', 'signal:SIGHUP', '--file', `${file}=secret:a`],
      `trap '${onHup}' HUP; trap 'kill $!; exit 0' TERM; tail -f /dev/null & echo "start $$"; while :; do wait; done`,
    );
    const [, pid] = await child.waitForLine(/^start (\d+)$/);
    await change({ a: 'a2' });
    expect((await child.waitForLine(/^a\d (\d+)$/)).slice(0, 2)).toEqual([`a2 ${pid}`, pid]);
  });
});

describe('exec --on-change', () => {
  test.each([
    [
      'an unknown reaction',
      ['--env', 'A=secret:a', '--on-change', 'reload'],
      'use restart, ignore',
    ],
    ['an unknown signal', ['--env', 'A=secret:a', '--on-change', 'signal:HUP'], 'signal:SIGHUP'],
    ['no value to follow', ['--on-change', 'restart'], 'give it some with --env, --file or --fifo'],
    ['a value of no kind', ['--env', 'A=a'], 'or lease: in the place of secret:'],
    ['no number', ['--splay', '1s'], '--splay is not a number of seconds'],
    ['too large a number', ['--grace', '86401'], '--grace is not a number of seconds'],
  ])('with %s starts nothing', async (_, flags, message) => {
    const outcome = await runAgent(['exec', ...flags, '--', 'false']);
    expect(outcome).toEqual({ code: 2, stdout: '', stderr: expect.stringContaining(message) });
  });
});

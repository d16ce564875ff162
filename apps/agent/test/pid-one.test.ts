import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { expectNoLeftovers, startProcess, type TestProcess } from '@sallyport/testkit/process';
import { createTempDirectory } from '@sallyport/testkit/temp';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { askSocket, enrollWith, until } from './harness.ts';
import { agentCommand } from './run-agent.ts';

const unshare = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
const why =
  spawnSync('unshare', ['--pid', '--fork', '--mount-proc', 'true']).status === 0
    ? undefined
    : 'this user may not make a PID namespace';
const describeInNamespace = why === undefined ? describe : describe.skip;

afterAll(() => expectNoLeftovers());

const [node, ...program] = agentCommand;
const exec = (script: string, options: string[] = []) =>
  startProcess({
    command: [...unshare, node, ...options, ...program, 'exec', '--', 'sh', '-c', script],
  });

/** Leaves a process without its parent, which ends in a moment and is `$pid`. */
const ORPHAN = `pid=$(sh -c 'sh -c "sleep 0.1" & echo $! > /proc/self/fd/3' 3>&1 >/dev/null)`;

/** Also those that have ended, and that nobody has reaped. */
const childrenOf = async (pid: number) =>
  (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ').filter(Boolean);

/** The process that is PID 1 in its namespace, by its id out here. */
const firstProcessOf = ({ pid }: TestProcess) =>
  until(async () => Number((await childrenOf(pid))[0]) || undefined);

describeInNamespace(titleOrLeftOut('[SG-20] exec as PID 1', why), () => {
  test('keeps the exit code, and is PID 1', async () => {
    const ran = exec('echo "parent $PPID"; exit 7');
    expect(await ran.exited).toEqual({ code: 7, signal: null });
    expect(ran.stdout).toEqual(['parent 1']);
  });

  test('passes a signal on, which the kernel keeps from a PID 1 that does not ask for it', async () => {
    const ran = exec(`trap 'echo got; exit 7' TERM; echo ready; while :; do sleep 0.05; done`);
    await ran.waitForLine(/^ready$/);
    process.kill(await firstProcessOf(ran), 'SIGTERM');
    expect(await ran.exited).toEqual({ code: 7, signal: null });
    expect(ran.stdout).toEqual(['ready', 'got']);
  });

  test('ends by a signal that comes while no agent answers it, and starts nothing', async () => {
    await using home = await createTempDirectory('pid-one');
    const socket = join(home.path, 'agent.sock');
    await using silent = createServer().listen(socket);
    const values = ['--socket', socket, '--env', 'A=secret:a'];
    const ran = startProcess({
      command: [...unshare, ...agentCommand, 'exec', ...values, '--', 'echo', 'started'],
    });
    await once(silent, 'request');
    process.kill(await firstProcessOf(ran), 'SIGTERM');
    expect(await ran.exited).toEqual({ code: 143, signal: null });
    expect(ran.output()).toBe('');
  });

  test('reaps what its command leaves behind, also while others of it run on', async () => {
    const ran = exec(
      `sleep 60 & ${ORPHAN}; while test -e "/proc/$pid"; do sleep 0.02; done; kill $!; exit 7`,
    );
    expect(await ran.exited).toEqual({ code: 7, signal: null });
  });

  test('reaps nothing else where Node may not call the C library: it stays a zombie until exec ends', async () => {
    const ran = exec(
      `${ORPHAN}; until grep -q '^State:.Z' "/proc/$pid/status"; do sleep 0.02; done; grep -E '^(State|PPid)' "/proc/$pid/status"`,
      ['--permission', '--allow-fs-read=*', '--allow-child-process'],
    );
    expect(await ran.exited).toEqual({ code: 0, signal: null });
    expect(ran.stdout).toEqual(['State:\tZ (zombie)', 'PPid:\t1']);
  });
});

describeInNamespace(titleOrLeftOut('[SG-20] run as PID 1', why), () => {
  test('reaps what the program of a reference leaves behind', async () => {
    const double = await ControlPlaneDouble.start();
    const { home, stateDir } = await enrollWith(double);
    const leaving = ['/bin/sh', '-c', 'sleep 60 & echo of a program'];
    const settings = {
      stateDir,
      references: { exec: { commands: { leaving: { argv: leaving } } } },
    };
    const file = join(home.path, 'agent.yaml');
    await writeFile(file, JSON.stringify(settings));
    double.putReference('left', 'exec://leaving');
    const ran = startProcess({ command: [...unshare, ...agentCommand, 'run', '--config', file] });
    const first = await firstProcessOf(ran);
    try {
      const ask = () => askSocket(join(stateDir, 'agent.sock'), '/v1/secrets/left');
      const reply = await until(async () => {
        const { status, body } = await ask().catch(() => ({ status: 0, body: '' }));
        return status === 200 ? body : undefined;
      });
      expect(JSON.parse(reply)).toMatchObject({ value: 'of a program' });
      await until(async () => (await childrenOf(first)).length === 0);
    } finally {
      // What stands between takes none for it.
      process.kill(first, 'SIGTERM');
      await ran.exited;
      await double.stop();
      await home.remove();
    }
  });
});

import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { afterAll, describe, expect, test } from '@jest/globals';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { expectNoLeftovers, startProcess, type TestProcess } from '@sallyport/testkit/process';
import { until } from './harness.ts';
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

/** The process that is PID 1 in its namespace, by its id out here. */
const firstProcessOf = (outside: TestProcess) =>
  until(async () => {
    const { pid } = outside;
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return Number(children.trim()) || undefined;
  });

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

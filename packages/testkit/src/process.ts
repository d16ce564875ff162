import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { transcribe } from './transcript.ts';

export type ProcessOptions = {
  command: string[];
  /** The whole environment, but for PATH and HOME, which are handed on unless they are named, and Node's compile cache. */
  env?: Record<string, string>;
  cwd?: string;
  /** Written to standard input, which is closed after it. */
  input?: string;
  /** In a process group of its own, as a terminal starts it: for `pressCtrlC`. */
  ownGroup?: boolean;
};

export type ProcessExit = { code: number | null; signal: NodeJS.Signals | null };

export type TestProcess = {
  pid: number;
  /** Complete lines of standard output so far. */
  stdout: readonly string[];
  stderr: readonly string[];
  /** Every line so far, both streams, for canary searches. */
  output(): string;
  /** The first line of either stream, past or future, that matches; rejects when the process ends without it. */
  waitForLine(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  /** Resolves once the process has ended and its output is complete. Never rejects. */
  exited: Promise<ProcessExit>;
  kill(signal: NodeJS.Signals): void;
  /** SIGINT to everything in its group, as from a terminal. Of a process that was started with `ownGroup`. */
  pressCtrlC(): void;
  /** SIGTERM, and SIGKILL when it has not ended after ten seconds. */
  stop(): Promise<ProcessExit>;
};

const LINE_TIMEOUT_MS = 15_000;
const TERMINATION_MS = 10_000;
const LAST_OUTPUT_MS = 500;

const running = new Map<TestProcess, string>();

/** Starts a real process. Its end, and the search for processes left over, is the test file's business. */
export function startProcess({
  command,
  env = {},
  cwd,
  input,
  ownGroup = false,
}: ProcessOptions): TestProcess {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { env: { ...handedOn(), ...env }, cwd, detached: ownGroup });
  // The pid tells at once that it could not be spawned; the event would only end the test run.
  child.on('error', () => {});
  if (child.pid === undefined) throw new Error(`${program} could not be started`);
  child.stdin.on('error', () => {});
  child.stdin.end(input);

  const transcript = transcribe(child.stdout, child.stderr);
  const exited = ended(child).finally(() => {
    running.delete(started);
    transcript.end();
  });
  const started: TestProcess = {
    pid: child.pid,
    stdout: transcript.stdout,
    stderr: transcript.stderr,
    output: () => transcript.lines.join('\n'),
    waitForLine: (pattern, timeoutMs = LINE_TIMEOUT_MS) => transcript.find(pattern, timeoutMs),
    exited,
    kill: (signal) => void child.kill(signal),
    pressCtrlC: () => void process.kill(-started.pid, 'SIGINT'),
    stop: async () => {
      child.kill('SIGTERM');
      const escalation = setTimeout(() => child.kill('SIGKILL'), TERMINATION_MS);
      return exited.finally(() => clearTimeout(escalation));
    },
  };
  running.set(started, command.join(' '));
  return started;
}

/** For `afterAll`: ends processes of this file that still run, and rejects when there were any. */
export async function expectNoLeftovers(): Promise<void> {
  const leftovers = [...running];
  for (const [process] of leftovers) process.kill('SIGKILL');
  await Promise.all(leftovers.map(([process]) => process.exited));
  if (leftovers.length === 0) return;
  throw new Error(`left running: ${leftovers.map(([, command]) => command).join('; ')}`);
}

/** The same programs are started again and again: Node keeps what it compiled of them, as users may have it do. */
export const compileCache = {
  NODE_COMPILE_CACHE: fileURLToPath(
    new URL('../../../node_modules/.cache/node-compile', import.meta.url),
  ),
};

function handedOn(): Record<string, string> {
  const { PATH = '', HOME = '' } = process.env;
  return { PATH, HOME, ...compileCache };
}

async function ended(child: ChildProcess): Promise<ProcessExit> {
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const exit = await new Promise<ProcessExit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  // A grandchild may hold the streams open for as long as it lives.
  let patience: NodeJS.Timeout | undefined;
  const enough = new Promise<void>((resolve) => (patience = setTimeout(resolve, LAST_OUTPUT_MS)));
  await Promise.race([closed, enough]).finally(() => clearTimeout(patience));
  return exit;
}

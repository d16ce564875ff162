import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { constants } from 'node:os';
import type { Environment } from '@sallyport/config/load';
import { AgentError } from '../agent-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { codeOf } from '../state/system-error.ts';
import type { MaskedValues } from './mask.ts';
import { MaskedOutput } from './masked-output.ts';

/** A command, as it was given. */
export type CommandLine = { command: string; args: readonly string[] };

/** A command that runs. */
export type Child = {
  /** The exit code that tells how it ended, once all that it wrote has been passed on; rejects when it cannot be run. */
  exited: Promise<number>;
  kill(signal: NodeJS.Signals): void;
};

/**
 * Starts a command on this process's streams. With `masked`, those of its output that are no terminal are passed on
 * without values; a terminal it has itself.
 */
export function startChild(
  { command, args }: CommandLine,
  env: Environment,
  masked: MaskedValues | undefined,
): Child {
  const { stdout, stderr } = process;
  const given = ({ isTTY }: { isTTY?: boolean }) =>
    masked === undefined || isTTY === true ? 'inherit' : 'pipe';
  const stdio: StdioOptions = ['inherit', given(stdout), given(stderr)];
  const child = start(command, args, { stdio, env });
  const outputs: MaskedOutput[] = [];
  if (masked !== undefined) {
    if (child.stdout !== null) outputs.push(new MaskedOutput(child.stdout, stdout, masked));
    if (child.stderr !== null) outputs.push(new MaskedOutput(child.stderr, stderr, masked));
  }
  return { exited: exitCodeOf(child, outputs), kill: (signal) => void child.kill(signal) };
}

function start(
  command: string,
  args: readonly string[],
  options: { stdio: StdioOptions; env: Environment },
): ChildProcess {
  try {
    return spawn(command, args, options);
  } catch (error) {
    throw cannotRun(command, error);
  }
}

async function exitCodeOf(child: ChildProcess, outputs: readonly MaskedOutput[]): Promise<number> {
  const exitCode = await new Promise<number>((resolve, reject) => {
    // Once it runs, an error is about a signal that this user may not send: it runs on, and ends by itself.
    child.on('error', (error) => {
      if (child.pid === undefined) reject(cannotRun(child.spawnfile, error));
    });
    child.once('exit', (code, signal) =>
      resolve(code ?? exitCodes.signalBase + constants.signals[signal ?? 'SIGKILL']),
    );
  });
  await Promise.all(outputs.map((output) => output.end()));
  return exitCode;
}

/**
 * What keeps a command from being started, which `spawn` throws or tells by an event. The command is not repeated:
 * somebody may have put a secret in its place. Node itself refuses an empty one.
 */
export function cannotRun(command: string, cause: unknown): AgentError {
  return codeOf(cause) === 'ENOENT' || command === ''
    ? new AgentError('command.not_found', 'the command is not there', {
        advice: 'check the name and PATH',
        cause,
      })
    : new AgentError('command.not_executable', `the command cannot be run (${codeOf(cause)})`, {
        advice: 'check its permissions',
        cause,
      });
}

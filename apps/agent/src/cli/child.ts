import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import type { Environment } from '@sallyport/config/load';
import { AgentError } from '../agent-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { codeOf } from '../state/system-error.ts';

const forwarded: NodeJS.Signals[] = [
  'SIGTERM',
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGCONT',
  'SIGWINCH',
];
/** A terminal sends these to the whole foreground group itself; sent on, they would come twice. */
const fromTerminal: ReadonlySet<NodeJS.Signals> = new Set([
  'SIGINT',
  'SIGQUIT',
  'SIGWINCH',
  'SIGCONT',
]);

/** Runs a command on this process's streams, passes signals on, and returns the exit code that tells how it ended. */
export async function runChild(command: string, args: string[], env: Environment): Promise<number> {
  let child: ChildProcess | undefined;
  const pass = (signal: NodeJS.Signals) => {
    if (!process.stdin.isTTY || !fromTerminal.has(signal)) child?.kill(signal);
  };
  // Before the start: a signal that ended this process then would leave the command without a parent.
  for (const signal of forwarded) process.on(signal, pass);
  try {
    child = spawn(command, args, { stdio: 'inherit', env });
    return await exitCodeOf(child);
  } catch (error) {
    throw cannotRun(error);
  } finally {
    for (const signal of forwarded) process.off(signal, pass);
  }
}

async function exitCodeOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      resolve(code ?? exitCodes.signalBase + constants.signals[signal ?? 'SIGKILL']),
    );
  });
}

/** Without the command: somebody may have put a secret in its place. */
function cannotRun(cause: unknown): AgentError {
  return codeOf(cause) === 'ENOENT'
    ? new AgentError('command.not_found', 'the command of exec is not there', {
        advice: 'check the name and PATH',
        cause,
      })
    : new AgentError(
        'command.not_executable',
        `the command of exec cannot be run (${codeOf(cause)})`,
        {
          advice: 'check its permissions',
          cause,
        },
      );
}

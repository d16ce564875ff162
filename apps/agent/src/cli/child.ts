import { spawn } from 'node:child_process';
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
  const child = spawn(command, args, { stdio: 'inherit', env });
  const handlers = forwarded.map((signal) => {
    const handler = () =>
      void (process.stdin.isTTY && fromTerminal.has(signal) ? false : child.kill(signal));
    return [signal, handler] as const;
  });
  for (const [signal, handler] of handlers) process.on(signal, handler);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', (error) => reject(cannotRun(command, error)));
      child.once('exit', (code, signal) =>
        resolve(code ?? exitCodes.signalBase + constants.signals[signal ?? 'SIGKILL']),
      );
    });
  } finally {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  }
}

function cannotRun(command: string, cause: unknown): AgentError {
  return codeOf(cause) === 'ENOENT'
    ? new AgentError('command.not_found', `there is no command ${command}`, {
        advice: 'check the name and PATH',
        cause,
      })
    : new AgentError('command.not_executable', `${command} cannot be run (${codeOf(cause)})`, {
        advice: 'check its permissions',
        cause,
      });
}

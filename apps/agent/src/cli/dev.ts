import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentError } from '../agent-error.ts';
import { readAgentConfig, SOCKET_VARIABLE } from '../config.ts';
import { startDevAgent, type DevParts } from '../dev/dev-agent.ts';
import { SupervisedCommand } from '../exec/supervised-command.ts';
import { exitCodes } from '../exit-codes.ts';
import { createLog } from '../log.ts';
import { codeOf } from '../state/system-error.ts';
import { withoutCredentials, type CliContext } from './context.ts';
import { reportNotice } from './report-failure.ts';

export type DevFlags = { values: string; socket?: string };

type Served = Pick<SupervisedCommand, 'start' | 'ended'> & Disposable;

/** All that end a process that does not listen to them, and that a person or a supervisor sends. */
const ENDS: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'];

/**
 * `dev`: an agent without a control plane, for tests. With a command it ends as that does, and returns its exit
 * code; without one it tells where it serves, and goes on until one of `ENDS`.
 */
export async function developWith(
  [command, ...args]: string[],
  { values, socket: given }: DevFlags,
  context: CliContext,
): Promise<number> {
  const { config, warnings } = readAgentConfig({ socket: given }, context.env);
  const log = createLog(config.log.level);
  for (const detail of warnings) log.warn({ detail }, 'configuration');
  // From before there is a directory until it is gone: a signal that ended this process would leave it behind.
  using served =
    command === undefined
      ? untilSignalled(context)
      : new SupervisedCommand({ command, args }, undefined);
  // Never where the environment says that an agent serves: that is another one.
  using directory = given === undefined ? privateDirectory() : undefined;
  const socket = directory === undefined ? config.socket : join(directory.path, 'agent.sock');
  await using _agent = await startWithNotice(
    { values, socket, config, env: context.env, log, ended: served.ended },
    context,
  );
  served.start({ ...withoutCredentials(context.env), [SOCKET_VARIABLE]: socket });
  return await served.ended;
}

/** In the place of a command: it prints the one variable that a command would be started with. */
function untilSignalled({ stdout }: CliContext): Served {
  const { promise: ended, resolve } = Promise.withResolvers<number>();
  let isOver = false;
  const end = () => {
    isOver = true;
    resolve(exitCodes.ok);
  };
  // In place of Node's own listener, which opens a debugger's port.
  const stay = () => {};
  for (const signal of ENDS) process.on(signal, end);
  process.on('SIGUSR1', stay);
  return {
    ended,
    start: (env) => {
      if (!isOver) stdout.write(`${SOCKET_VARIABLE}=${env[SOCKET_VARIABLE]}\n`);
    },
    [Symbol.dispose]() {
      for (const signal of ENDS) process.off(signal, end);
      process.off('SIGUSR1', stay);
    },
  };
}

async function startWithNotice(parts: DevParts, context: CliContext): Promise<AsyncDisposable> {
  const agent = await startDevAgent(parts);
  reportNotice(
    `for tests and development only: the values are those of ${parts.values}, a file in plain text`,
    context,
  );
  return agent;
}

/**
 * Mode 0700, and gone when disposed of, or when the process exits before.
 *
 * @throws AgentError `socket.unusable`
 */
function privateDirectory(): Disposable & { path: string } {
  const path = makeDirectory(join(tmpdir(), 'sallyport-dev-'));
  const remove = () => rmSync(path, { recursive: true, force: true });
  process.on('exit', remove);
  return {
    path,
    [Symbol.dispose]() {
      process.off('exit', remove);
      remove();
    },
  };
}

function makeDirectory(prefix: string): string {
  try {
    return mkdtempSync(prefix);
  } catch (cause) {
    const code = codeOf(cause);
    if (code === undefined) throw cause;
    throw new AgentError(
      'socket.unusable',
      `${tmpdir()} cannot have a directory for the socket (${code})`,
      { advice: 'let TMPDIR name one that this user may write to, or use --socket', cause },
    );
  }
}

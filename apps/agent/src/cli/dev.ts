import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aborted } from '../aborted.ts';
import { readAgentConfig, SOCKET_VARIABLE } from '../config.ts';
import { startDevAgent, type DevParts } from '../dev/dev-agent.ts';
import { SupervisedCommand } from '../exec/supervised-command.ts';
import { exitCodes } from '../exit-codes.ts';
import { createLog } from '../log.ts';
import { withoutCredentials, type CliContext } from './context.ts';
import { reportNotice } from './report-failure.ts';

export type DevFlags = { values: string; socket?: string };

const ENDS: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP'];

/**
 * `dev`: an agent without a control plane, for tests. With a command it ends as that does, and returns its exit
 * code; without one it tells where it serves, and goes on until SIGTERM, SIGINT or SIGHUP.
 */
export async function developWith(
  command: string[],
  { values, socket: given }: DevFlags,
  context: CliContext,
): Promise<number> {
  const { config, warnings } = readAgentConfig({ socket: given }, context.env);
  const log = createLog(config.log.level);
  for (const detail of warnings) log.warn({ detail }, 'configuration');
  // Never where the environment says that an agent serves: that is another one.
  await using directory = given === undefined ? await privateDirectory() : undefined;
  const socket = directory === undefined ? config.socket : join(directory.path, 'agent.sock');
  const parts = { values, socket, config, env: context.env, log };
  return await (command.length === 0
    ? serveAlone(parts, context)
    : runBeside(command, parts, context));
}

async function serveAlone(parts: DevParts, context: CliContext): Promise<number> {
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  for (const signal of ENDS) process.once(signal, stop);
  try {
    await using _agent = await startWithNotice(parts, context);
    context.stdout.write(`${SOCKET_VARIABLE}=${parts.socket}\n`);
    await aborted(stopping.signal);
    return exitCodes.ok;
  } finally {
    for (const signal of ENDS) process.off(signal, stop);
  }
}

async function runBeside(
  [command = '', ...args]: string[],
  parts: DevParts,
  context: CliContext,
): Promise<number> {
  using supervised = new SupervisedCommand({ command, args }, undefined);
  await using _agent = await startWithNotice(parts, context);
  supervised.start({ ...withoutCredentials(parts.env), [SOCKET_VARIABLE]: parts.socket });
  return await supervised.ended;
}

async function startWithNotice(parts: DevParts, context: CliContext): Promise<AsyncDisposable> {
  const agent = await startDevAgent(parts);
  reportNotice(
    `for tests and development only: the values are those of ${parts.values}, a file in plain text`,
    context,
  );
  return agent;
}

/** Mode 0700, and gone when disposed of. */
async function privateDirectory(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'sallyport-dev-'));
  const remove = () => rm(path, { recursive: true, force: true });
  return { path, [Symbol.asyncDispose]: remove };
}

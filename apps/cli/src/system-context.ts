import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from './context.ts';
import { readEnvironment } from './environment.ts';
import { Output } from './output.ts';
import { SessionFile } from './session-file.ts';

/** What commands work with in this process. */
export function systemContext(): Context {
  const { stdin, stdout, stderr, env } = process;
  const terminal = {
    stdin,
    stdout,
    stderr,
    stdinIsTty: stdin.isTTY === true,
    stdoutIsTty: stdout.isTTY === true,
  };
  const environment = readEnvironment(env);
  return {
    terminal,
    environment,
    output: new Output(terminal),
    sessions: new SessionFile(environment.configDirectory),
    clock: { now: Date.now, sleep: (ms) => sleep(ms) },
  };
}

#!/usr/bin/env node
import { setTimeout as sleep } from 'node:timers/promises';
import { readEnvironment } from './environment.ts';
import { Output } from './output.ts';
import { run } from './program.ts';
import { SessionFile } from './session-file.ts';

const { stdin, stdout, stderr, env } = process;
const terminal = {
  stdin,
  stdout,
  stderr,
  stdinIsTty: stdin.isTTY === true,
  stdoutIsTty: stdout.isTTY === true,
};
const environment = readEnvironment(env);

// The reader of a pipe may leave early, as `head` does.
stdout.on('error', () => process.exit());

process.exitCode = await run(process.argv.slice(2), {
  terminal,
  environment,
  output: new Output(terminal),
  sessions: new SessionFile(environment.configDirectory),
  clock: { now: Date.now, sleep: (ms) => sleep(ms) },
});

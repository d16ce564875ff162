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

// What cannot be told on a full disk still has its exit code.
stderr.on('error', () => {});
stdout.on('error', (error: NodeJS.ErrnoException) => {
  // The reader of a pipe may leave early, as `head` does.
  if (error.code === 'EPIPE') process.exit();
  stderr.write(
    `sallyport: standard output cannot be written (${error.code ?? 'unknown reason'})\n`,
  );
  process.exit(1);
});

process.exitCode = await run(process.argv.slice(2), {
  terminal,
  environment,
  output: new Output(terminal),
  sessions: new SessionFile(environment.configDirectory),
  clock: { now: Date.now, sleep: (ms) => sleep(ms) },
});

import { Readable } from 'node:stream';
import { createClock, type TestClock } from '@sallyport/testkit/clock';
import { readEnvironment } from '../src/environment.ts';
import { Output } from '../src/output.ts';
import { run } from '../src/program.ts';
import { SessionFile } from '../src/session-file.ts';
import { KeptText } from './kept-text.ts';

export type Given = {
  /** Where the session is kept. */
  directory: string;
  /** What is piped in; with `typed`, what a person types at a terminal, each line when it is asked for. */
  stdin?: string | Buffer;
  typed?: string | readonly string[];
  env?: Record<string, string>;
  clock?: TestClock;
};

export type Outcome = { code: number; stdout: string; stderr: string };

/** Runs one command line in this process. Sleeping moves the clock instead. */
export async function runCli(args: readonly string[], given: Given): Promise<Outcome> {
  const { directory, stdin = '', typed, env = {}, clock = createClock() } = given;
  const [stdout, stderr] = [new KeptText(), new KeptText()];
  const terminal = {
    stdin: Readable.from([typed ?? stdin].flat().map((text) => Buffer.from(text))),
    stdout,
    stderr,
    stdinIsTty: typed !== undefined,
    stdoutIsTty: false,
  };
  const environment = readEnvironment({ ...env, SALLYPORT_CONFIG_DIR: directory });
  const code = await run(args, {
    terminal,
    environment,
    output: new Output(terminal),
    sessions: new SessionFile(environment.configDirectory),
    clock: { now: clock.now, sleep: async (ms) => clock.advance(ms) },
  });
  return { code, stdout: stdout.text, stderr: stderr.text };
}

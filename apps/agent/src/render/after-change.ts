import { spawn } from 'node:child_process';
import type { Environment } from '@sallyport/config/load';
import { AgentError } from '../agent-error.ts';
import { systemClock } from '../clock.ts';
import { cannotRun, type CommandLine } from '../exec/child.ts';
import { Backoff } from '../sync/backoff.ts';

const MAX_ATTEMPTS = 3;

/**
 * Runs the command that has to know of a new file, again when it fails, at most three times. It is killed when it
 * has not ended within `timeoutMs`. Once `stopping` aborts it is not run again.
 *
 * @throws AgentError `command.failed`
 */
export async function runAfterChange(
  line: CommandLine,
  timeoutMs: number,
  { env, stopping }: { env: Environment; stopping: AbortSignal },
): Promise<void> {
  const backoff = new Backoff(Math.random);
  for (let attempt = 1; ; attempt += 1) {
    const failure = await runOnce(line, timeoutMs, env);
    if (failure === undefined) return;
    if (attempt < MAX_ATTEMPTS) await systemClock.sleep(backoff.next(), stopping);
    if (attempt === MAX_ATTEMPTS || stopping.aborted)
      throw new AgentError(
        'command.failed',
        `the file is written, but the command after it failed ${attempt === 1 ? 'once' : `${attempt} times`}: ${failure}`,
        { advice: 'mend the command and run it by hand: it is run again at the next change only' },
      );
  }
}

/** How it failed; undefined when it did not. */
async function runOnce(
  { command, args }: CommandLine,
  timeoutMs: number,
  env: Environment,
): Promise<string | undefined> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    return await new Promise((resolve, reject) => {
      const child = spawn(command, args, {
        env,
        signal,
        killSignal: 'SIGKILL',
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      child.once('error', (error) => {
        if (!signal.aborted) reject(error);
      });
      child.once('exit', (code, by) => {
        if (code === 0) resolve(undefined);
        else if (signal.aborted) resolve(`it had not ended after ${timeoutMs / 1000} s`);
        else resolve(code === null ? `it was ended by ${by}` : `it ended with exit code ${code}`);
      });
    });
  } catch (error) {
    return cannotRun(command, error).message;
  }
}

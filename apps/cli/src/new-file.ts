import { createWriteStream, openSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { CliError } from './cli-error.ts';
import { codeBehind, codeOf } from './system-error.ts';

/**
 * Makes a file, of its owner alone, of what is written; what did not arrive as a whole is not left behind, not even
 * when a terminal or a supervisor ends the program (`ENDING_SIGNALS`): the next try would be refused for it. The file
 * is made before anything is asked for: what is recorded as released is not to fail for want of a place.
 *
 * @throws CliError `input.unusable` when it is `-`, is there already, cannot be made or cannot be written; and what `write` throws
 */
export async function writeNewFile<Made>(
  file: string,
  write: (into: Writable) => Promise<Made>,
): Promise<{ bytes: number; made: Made }> {
  if (file === '-')
    throw new CliError('input.unusable', '- is not standard output here; name a new file');
  using unfinished = new UnfinishedFile(file);
  const stream = createWriteStream(file, { fd: unfinished.fd });
  // Asked for below: what is still under way when the rest is given up fails too.
  stream.on('error', () => {});
  try {
    const made = await write(stream);
    stream.end();
    await finished(stream);
    return { bytes: stream.bytesWritten, made };
  } catch (error) {
    const { errored } = stream;
    stream.destroy();
    // Half of an export would look like one that was cut off.
    await rm(file, { force: true });
    if (errored === null) throw error;
    const message = `${file} cannot be written${codeBehind(errored)}`;
    throw new CliError('input.unusable', message, errored);
  }
}

/** What a terminal or a supervisor ends a program by. */
const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** A new file that such a signal removes before it ends the program. */
class UnfinishedFile implements Disposable {
  readonly fd: number;
  readonly #file: string;
  #made = false;

  constructor(file: string) {
    this.#file = file;
    // Before it is made: a signal in between would leave it.
    for (const signal of ENDING_SIGNALS) process.on(signal, this.#endedBy);
    try {
      this.fd = openSync(file, 'wx', 0o600);
      this.#made = true;
    } catch (cause) {
      this[Symbol.dispose]();
      throw new CliError('input.unusable', `${file} ${whyNotMade(cause)}`, cause);
    }
  }

  readonly #endedBy = (signal: NodeJS.Signals): void => {
    try {
      if (this.#made) rmSync(this.#file, { force: true });
    } finally {
      this[Symbol.dispose]();
      // Nobody listens to it any more: it does what it would have done.
      process.kill(process.pid, signal);
    }
  };

  [Symbol.dispose](): void {
    for (const signal of ENDING_SIGNALS) process.off(signal, this.#endedBy);
  }
}

function whyNotMade(cause: unknown): string {
  return codeOf(cause) === 'EEXIST'
    ? 'is there already; choose another name or remove it'
    : `cannot be made${codeBehind(cause)}; choose a folder that is there and may be written to`;
}

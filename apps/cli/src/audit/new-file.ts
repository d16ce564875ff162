import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { CliError } from '../cli-error.ts';

/**
 * Makes a file, of its owner alone, of what is written; what did not arrive as a whole is not left behind.
 * The file is made before anything is asked for: what is recorded as released is not to fail for want of a place.
 *
 * @throws CliError `input.unusable` when it is there already, cannot be made or cannot be written; and what `write` throws
 */
export async function writeNewFile<Made>(
  file: string,
  write: (into: Writable) => Promise<Made>,
): Promise<{ bytes: number; made: Made }> {
  const stream = createWriteStream(file, { flags: 'wx', mode: 0o600 });
  await once(stream, 'open').catch((cause: unknown) => {
    throw new CliError('input.unusable', `${file} ${whyNotMade(cause)}`, cause);
  });
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
    const message = `${file} cannot be written (${codeOf(errored)})`;
    throw new CliError('input.unusable', message, errored);
  }
}

function whyNotMade(cause: unknown): string {
  const code = codeOf(cause);
  return code === 'EEXIST'
    ? 'is there already; choose another name or remove it'
    : `cannot be made (${code}); choose a folder that is there and may be written to`;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason';
}

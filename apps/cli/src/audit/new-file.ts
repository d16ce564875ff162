import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { CliError } from '../cli-error.ts';

/**
 * Makes a file, of its owner alone, of what is written; what did not arrive as a whole is not left behind.
 * Returns how many bytes came.
 *
 * @throws CliError `input.unusable` when it is there already, cannot be made or cannot be written; and what `write` throws
 */
export async function writeNewFile(
  file: string,
  write: (into: Writable) => Promise<void>,
): Promise<number> {
  const stream = createWriteStream(file, { flags: 'wx', mode: 0o600 });
  await once(stream, 'open').catch((cause: unknown) => {
    throw new CliError('input.unusable', 'the file is there already or cannot be made', cause);
  });
  // Asked for below: what is still under way when the rest is given up fails too.
  stream.on('error', () => {});
  try {
    await write(stream);
    stream.end();
    await finished(stream);
  } catch (error) {
    const { errored } = stream;
    stream.destroy();
    // Half of an export would look like one that was cut off.
    await rm(file, { force: true });
    if (errored === null) throw error;
    const code = 'code' in errored ? ` (${String(errored.code)})` : '';
    throw new CliError('input.unusable', `the file cannot be written${code}`, errored);
  }
  return stream.bytesWritten;
}

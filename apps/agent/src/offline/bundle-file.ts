import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { MAX_OFFLINE_BUNDLE_BYTES } from '@sallyport/contract';
import { AgentError } from '../agent-error.ts';
import { readAtMost, WITHOUT_WAITING } from '../files/read-at-most.ts';
import { assertPrivate } from '../state/private-path.ts';
import type { StateView } from '../state/state-directory.ts';
import { codeOf, unusable } from '../state/system-error.ts';

/** A bundle that somebody brought. @throws AgentError `usage.invalid`, `bundle.too_large` */
export async function readBundleFile(path: string): Promise<Buffer> {
  try {
    return trimmed(await readBounded(path, WITHOUT_WAITING));
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    throw new AgentError('usage.invalid', `the bundle ${path} cannot be read (${code})`, {
      advice: 'check the path of the file and its permissions',
      cause: error,
    });
  }
}

/**
 * The bundle that waits for the daemon; undefined when none does.
 *
 * @throws AgentError `state.unsafe`, `state.unusable`, `bundle.too_large`
 */
export async function readIncoming(state: StateView): Promise<Buffer | undefined> {
  const path = state.join('incoming.bundle');
  try {
    assertPrivate(path, await lstat(path), 'file');
    return await readBounded(path, WITHOUT_WAITING | constants.O_NOFOLLOW);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw unusable(path, error);
  }
}

async function readBounded(path: string, flags: number): Promise<Buffer> {
  await using file = await open(path, flags);
  const stats = await file.stat();
  if (!stats.isFile())
    throw new AgentError('usage.invalid', 'the bundle is no regular file', {
      advice: 'name the file that `sallyport bundle export` wrote',
    });
  const bytes = await readAtMost(file, Math.min(stats.size, MAX_OFFLINE_BUNDLE_BYTES));
  if (bytes === undefined) throw tooLarge();
  return bytes;
}

/** Without the line end that the file has for people who look at it. */
function trimmed(bytes: Buffer): Buffer {
  let end = bytes.byteLength;
  while (end > 0 && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d)) end -= 1;
  return bytes.subarray(0, end);
}

function tooLarge(): AgentError {
  return new AgentError(
    'bundle.too_large',
    `a bundle is of at most ${MAX_OFFLINE_BUNDLE_BYTES} bytes, or it grew while it was read`,
  );
}

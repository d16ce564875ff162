import { chmodSync, chownSync, closeSync, constants, fstatSync, openSync } from 'node:fs';
import { AgentError } from '../agent-error.ts';
import { NOT_GIVEN, type Ownership } from '../files/ownership.ts';
import { codeOf } from '../state/system-error.ts';

/** O_PATH (open(2)): a handle of the file itself, whatever is put in its place meanwhile. */
const HANDLE_ONLY = 0o10_000_000;
const UNCHANGED = -1;

/**
 * Gives a socket file that this process has just made, and that nobody can use yet, to its owner, and opens it
 * by `mode` then. Whatever else has its path by now is not touched: `inode` is of the one that was made.
 *
 * @throws AgentError `socket.unusable`
 */
export function giveSocket(
  { path, inode }: { path: string; inode: bigint | undefined },
  mode: number,
  { user, group }: Ownership,
): void {
  if (process.platform !== 'linux')
    throw unusable(path, 'can be given to another owner or group on Linux only');
  try {
    const handle = openSync(path, HANDLE_ONLY | constants.O_NOFOLLOW);
    try {
      const stats = fstatSync(handle, { bigint: true });
      if (!stats.isSocket() || stats.ino !== inode)
        throw unusable(path, 'was replaced while it was made');
      const file = `/proc/self/fd/${handle}`;
      chownSync(file, user ?? UNCHANGED, group ?? UNCHANGED);
      chmodSync(file, mode);
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    throw unusable(path, `${NOT_GIVEN} (${code})`, error);
  }
}

function unusable(path: string, what: string, cause?: unknown): AgentError {
  return new AgentError('socket.unusable', `the socket ${path} ${what}`, {
    advice:
      'run the agent as a user who may do that, or take owner and group out of localApi.sockets',
    cause,
  });
}

import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
} from 'node:fs';
import { AgentError } from '../agent-error.ts';
import { codeOf } from '../state/system-error.ts';

/** Whom a socket file belongs to, by number; what is absent stays as it was born. */
export type Ownership = { user?: number | undefined; group?: number | undefined };

/** O_PATH (open(2)): a handle of the file itself, whatever is put in its place meanwhile. */
const HANDLE_ONLY = 0o10_000_000;
const UNCHANGED = -1;

/** As a configuration names them: numbers, or names of this host's own accounts. */
type Named = { owner?: string | number | undefined; group?: string | number | undefined };

/**
 * The numbers of a user and a group; undefined where neither is named. Names are those of /etc/passwd and
 * /etc/group: what another directory knows has to be given by number.
 *
 * @throws AgentError `usage.invalid` for a name that is not there
 */
export function ownershipOf({ owner, group }: Named): Ownership | undefined {
  if (owner === undefined && group === undefined) return undefined;
  return {
    user: owner === undefined ? undefined : numberOf('user', owner, '/etc/passwd'),
    group: group === undefined ? undefined : numberOf('group', group, '/etc/group'),
  };
}

function numberOf(what: string, account: string | number, file: string): number {
  if (typeof account === 'number') return account;
  const fields = linesOf(file)
    .map((line) => line.split(':'))
    .find(([name]) => name === account);
  const number = fields?.[2];
  if (number !== undefined && /^\d+$/.test(number)) return Number(number);
  throw new AgentError('usage.invalid', `there is no ${what} ${account} in ${file}`, {
    advice: `name one that is there in localApi.sockets, or give the number of the ${what}`,
  });
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

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
    throw unusable(path, `cannot be given to its owner and group (${code})`, error);
  }
}

function unusable(path: string, what: string, cause?: unknown): AgentError {
  return new AgentError('socket.unusable', `the socket ${path} ${what}`, {
    advice:
      'run the agent as a user who may do that, or take owner and group out of localApi.sockets',
    cause,
  });
}

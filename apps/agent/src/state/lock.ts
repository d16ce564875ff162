import { constants, existsSync } from 'node:fs';
import { access, lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { AgentError } from '../agent-error.ts';
import { assertPrivate } from './private-path.ts';
import { codeOf } from './system-error.ts';

const OWNER_ONLY = 0o077;
/** Two that start together meet each other's attempts; one of them is to win. */
const PATIENCE_MS = 250;
const SQLITE_BUSY = 5;

/** `held` is false on a file system that is mounted read-only, where nothing can be locked, or written. */
export type DirectoryLock = Disposable & { held: boolean };

/**
 * Keeps every other agent out of a state directory, until it is disposed of or this process ends,
 * however it ends: the lock is the kernel's, so none is ever stale. Node has no `flock`, and an exclusive
 * transaction of SQLite is such a lock (fcntl), on Linux and macOS alike; the file stays empty.
 *
 * Removing the file would let two processes lock two files of one name. Opening it is not safe either:
 * closing any descriptor of a file drops all locks that the process has on it (POSIX).
 *
 * @throws AgentError `state.in_use`, `state.unsafe`, `state.unusable`
 */
export async function lockDirectory(
  directory: string,
  assertWritable = (path: string) => access(path, constants.W_OK),
): Promise<DirectoryLock> {
  const path = join(directory, 'lock');
  const there = await lstat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (there !== undefined) {
    assertPrivate(path, there, 'file');
    // SQLite would open the file read-only and lock nothing, without a word.
    const refusal = await assertWritable(path).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (codeOf(refusal) === 'EROFS') return { held: false, [Symbol.dispose]: () => {} };
    if (refusal !== undefined) throw notWritable(path, refusal);
  }
  const umask = process.umask(OWNER_ONLY);
  try {
    const file = lock(path, directory);
    return { held: true, [Symbol.dispose]: () => file.close() };
  } finally {
    process.umask(umask);
  }
}

/**
 * Whether another process holds the lock of a directory, without taking it: a reader is turned away by it too. A
 * process that starts in that moment waits for longer than the look takes.
 */
export function isLocked(directory: string): boolean {
  const path = join(directory, 'lock');
  if (!existsSync(path)) return false;
  const file = new DatabaseSync(path, { readOnly: true });
  try {
    file.exec('SELECT count(*) FROM sqlite_master');
    return false;
  } catch (error) {
    if (isBusy(error)) return true;
    throw new AgentError('state.unusable', `${path} cannot be read`, { cause: error });
  } finally {
    file.close();
  }
}

function lock(path: string, directory: string): DatabaseSync {
  let file: DatabaseSync | undefined;
  try {
    file = new DatabaseSync(path, { timeout: PATIENCE_MS });
    // In memory: else a journal that nobody needs appears beside the file.
    file.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return file;
  } catch (cause) {
    file?.close();
    if (isBusy(cause)) {
      throw new AgentError('state.in_use', `another sallyport-agent uses ${directory}`, {
        advice: 'stop it first, or give this one a --state-dir of its own',
        cause,
      });
    }
    throw new AgentError('state.unusable', `${path} cannot be locked`, {
      advice:
        'put the state directory on a local file system, and remove that file if it is damaged',
      cause,
    });
  }
}

function notWritable(path: string, cause: unknown): AgentError {
  return new AgentError('state.unusable', `${path} cannot be locked (${codeOf(cause)})`, {
    advice: `chmod 600 ${path}`,
    cause,
  });
}

function isBusy(error: unknown): boolean {
  return Error.isError(error) && 'errcode' in error && error.errcode === SQLITE_BUSY;
}

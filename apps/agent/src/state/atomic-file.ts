import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Ownership } from '../files/ownership.ts';
import { codeOf } from './system-error.ts';

const UNCHANGED = -1;

type WriteOptions = {
  /** Whom it belongs to; by default this process's user and group. */
  ownership?: Ownership | undefined;
  /** Default 0600. */
  mode?: number;
  /** Where it is written before it takes its place, in the same directory. */
  temporary?: string;
};

/**
 * Replaces a file as a whole, mode 0600 by default: after a crash at any point the path holds the old bytes or the
 * new ones, and the new ones for certain once this resolves. One writer per path at a time.
 */
export async function writeFileAtomically(
  path: string,
  data: string | Uint8Array,
  { mode = 0o600, temporary = temporaryOf(path), ownership }: WriteOptions = {},
): Promise<void> {
  await rm(temporary, { force: true });
  try {
    await writeDurably(temporary, data, { mode, ownership });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Removes a file, if it is there, and what a crash left of writing it, so that both stay removed. */
export async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true });
  await rm(temporaryOf(path), { force: true });
  await syncDirectory(dirname(path));
}

/** As `removeFile`, and overwrites both before, as far as the file system lets that count. */
export async function destroyFile(path: string): Promise<void> {
  const overwritten = await Promise.allSettled([overwrite(path), overwrite(temporaryOf(path))]);
  await removeFile(path);
  for (const outcome of overwritten) if (outcome.status === 'rejected') throw outcome.reason;
}

function temporaryOf(path: string): string {
  return `${path}.tmp`;
}

async function overwrite(path: string): Promise<void> {
  try {
    await using file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
    await file.writeFile(Buffer.alloc((await file.stat()).size));
    await file.sync();
  } catch (error) {
    // Of a link there is nothing to overwrite here: its target is not this agent's.
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ELOOP') throw error;
  }
}

async function writeDurably(
  path: string,
  data: string | Uint8Array,
  { mode, ownership }: { mode: number; ownership: Ownership | undefined },
): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    if (ownership !== undefined)
      await file.chown(ownership.user ?? UNCHANGED, ownership.group ?? UNCHANGED);
    // Not by `open`, which takes the umask off. Before the first byte is there to be read.
    await file.chmod(mode);
    await file.writeFile(data);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

import { constants } from 'node:fs';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Ownership } from '../files/ownership.ts';
import { codeOf } from './system-error.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR, O_SYNC, O_WRONLY } = constants;
const UNCHANGED = -1;
const OWNER_ALONE = 0o600;

type WriteOptions = {
  /** Whom it belongs to; by default this process's user and group. */
  ownership?: Ownership | undefined;
  /** Default 0600. */
  mode?: number;
  /** Where it is written before it takes its place, in the same directory. */
  temporary?: string;
};

/**
 * Whether fsync is refused to all of this process, as Node's permission model does. What is less certain then,
 * docs/packages.md says.
 */
const isSyncRefused = (): boolean => process.permission !== undefined;

/**
 * Replaces a file as a whole, mode 0600 by default: after a crash at any point the path holds the old bytes or the
 * new ones, and the new ones for certain once this resolves. One writer per path at a time.
 */
export async function writeFileAtomically(
  path: string,
  data: string | Uint8Array,
  { temporary = temporaryOf(path), ...rights }: WriteOptions = {},
): Promise<void> {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  await rm(temporary, { force: true });
  try {
    await using file = await createFile(temporary, rights);
    await file.writeFile(bytes);
    if (!isSyncRefused()) await file.sync();
    await rename(temporary, path);
    if (isSyncRefused()) await writeLastByte(file, bytes);
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
    await using file = await open(path, O_RDWR | O_NOFOLLOW | syncFlag());
    await file.writeFile(Buffer.alloc((await file.stat()).size));
    if (!isSyncRefused()) await file.sync();
  } catch (error) {
    // Of a link there is nothing to overwrite here: its target is not this agent's.
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ELOOP') throw error;
  }
}

async function createFile(path: string, { mode = OWNER_ALONE, ownership }: WriteOptions) {
  const file = await open(path, O_WRONLY | O_CREAT | O_EXCL | syncFlag(), OWNER_ALONE);
  try {
    if (ownership !== undefined)
      await file.chown(ownership.user ?? UNCHANGED, ownership.group ?? UNCHANGED);
    // Not by `open`, which takes the umask off. Before the first byte is there to be read.
    if (mode !== OWNER_ALONE || !isSyncRefused()) await file.chmod(mode);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Where nothing can be synced, each write is on the disk when it is done. */
function syncFlag(): number {
  return isSyncRefused() ? O_SYNC : 0;
}

/** With it goes what became of the file's name before, on most file systems. */
async function writeLastByte(file: FileHandle, bytes: Uint8Array): Promise<void> {
  const last = bytes.byteLength - 1;
  if (last >= 0) await file.write(bytes, last, 1, last);
}

/** Has names that came and went last. */
async function syncDirectory(path: string): Promise<void> {
  if (isSyncRefused()) return;
  await using directory = await open(path, 'r');
  await directory.sync();
}

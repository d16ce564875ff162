import { randomBytes } from 'node:crypto';
import { lstat, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { codeOf } from '../state/system-error.ts';

/** A process of another container is not seen here, and writes for no longer than this without a sign. */
const UNTOUCHED_MS = 60_000;

/** Where this process writes a file before it takes its place. Another container may have a process of its number. */
export function temporaryFor(path: string): string {
  const own = `${process.pid}-${randomBytes(4).toString('hex')}`;
  return join(dirname(path), `.${basename(path)}.${own}.tmp`);
}

/**
 * Removes what killed processes left of writing one of these files of a folder. What a running one may be writing
 * stays, and so does everything in a folder that cannot be read.
 */
export async function removeLeftovers(folder: string, names: readonly string[]): Promise<void> {
  try {
    for (const name of await readdir(folder)) {
      const [, target = '', pid] = /^\.(.+)\.(\d+)(?:-[\da-f]{8})?\.tmp$/.exec(name) ?? [];
      if (!names.includes(target) || isRunning(Number(pid))) continue;
      const path = join(folder, name);
      const stats = await lstat(path);
      if (stats.isFile() && Date.now() - stats.mtimeMs > UNTOUCHED_MS)
        await rm(path, { force: true });
    }
  } catch (error) {
    // Whether the file itself can be written there is for the writing to say.
    if (codeOf(error) === undefined) throw error;
  }
}

/** Not this process, which writes one file at a time. */
function isRunning(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}

import { readdir, readFile } from 'node:fs/promises';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';

/** Below whoever answers requests, and still a tenth of a core where everything else wants it all. */
const PRIORITY = constants.priority.PRIORITY_BELOW_NORMAL;
/** What libuv calls the threads of its pool, which Node hashes on. */
const POOL_THREAD = 'libuv-worker';

/**
 * Lets hashing give way to requests: the threads of the runtime's pool get a lower priority than the event
 * loop, and so do the lanes of argon2, which they start. Only Linux has priorities of single threads, in
 * `tasksDirectory`; where there are none, or they may not be set, everything stays as it was.
 */
export async function lowerPoolThreads(tasksDirectory = '/proc/self/task'): Promise<void> {
  try {
    // Listed through the pool, so that its threads are there.
    for (const id of await readdir(tasksDirectory)) {
      const name = await readFile(join(tasksDirectory, id, 'comm'), 'utf8');
      if (name.trim() === POOL_THREAD) setPriority(Number(id), PRIORITY);
    }
  } catch {
    // Slower answers beside hashing are no reason not to start.
  }
}

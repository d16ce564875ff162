import { readFile, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { EmbeddedPostgresError, systemErrorCode } from './failure.ts';
import type { Place } from './place.ts';
import { run } from './run.ts';

/** A server that runs on a data directory, as its postmaster.pid tells. */
export type Postmaster = { pid: number; port: number };

type PidFile = Postmaster & { status: string };

const POLL_MS = 50;
const SETTLE_MS = 120_000;
const EMPTY_FILE_MS = 1_000;

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return systemErrorCode(cause) === 'EPERM';
  }
}

/**
 * The server that already runs on this data directory, once it accepts connections; undefined when
 * there is none, or when one that was stopping has gone. Removes a postmaster.pid that a crash of the
 * machine left behind and that would keep Postgres from starting.
 */
export async function findPostmaster(
  place: Place,
  log: (message: string) => void,
): Promise<Postmaster | undefined> {
  const begun = Date.now();
  for (;;) {
    const text = await readPidFile(place);
    if (text === undefined) return undefined;
    const waitedMs = Date.now() - begun;
    const file = parsePidFile(text);
    if (file === undefined) {
      // A starting server writes the file a moment after it creates it; a crash can leave it empty.
      if (waitedMs > EMPTY_FILE_MS) return discard(place, log, 'it is incomplete');
    } else {
      if (!isAlive(file.pid)) return undefined;
      if (!(await runsHere(file.pid, place)))
        return discard(place, log, `process ${file.pid} is another program`);
      if (file.status === 'ready') return { pid: file.pid, port: file.port };
      if (waitedMs > SETTLE_MS) {
        throw new EmbeddedPostgresError(
          `The embedded database in ${place.directory} (process ${file.pid}) has been "${file.status}" for ${SETTLE_MS / 1000} s. See ${place.logFile}.`,
        );
      }
    }
    await pause(POLL_MS);
  }
}

async function readPidFile(place: Place): Promise<string | undefined> {
  try {
    return await readFile(join(place.dataDirectory, 'postmaster.pid'), 'utf8');
  } catch (cause) {
    if (systemErrorCode(cause) === 'ENOENT') return undefined;
    throw cause;
  }
}

/** Lines of postmaster.pid: pid, data directory, start, port, socket folder, address, shared memory, status. */
function parsePidFile(text: string): PidFile | undefined {
  const lines = text.split('\n').map((line) => line.trim());
  const [pid, port, status] = [Number(lines[0]), Number(lines[3]), lines[7] ?? 'starting'];
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  return { pid, port, status: status === '' ? 'starting' : status };
}

async function discard(
  place: Place,
  log: (message: string) => void,
  reason: string,
): Promise<undefined> {
  log(`removing a stale postmaster.pid: ${reason}`);
  await rm(join(place.dataDirectory, 'postmaster.pid'), { force: true });
}

// The pid may belong to another program by now: after a reboot, and at every restart of a container.
async function runsHere(pid: number, place: Place): Promise<boolean> {
  if (process.platform !== 'linux') {
    const { output } = await run('ps', ['-ww', '-o', 'command=', '-p', String(pid)], {
      cwd: '/',
      user: undefined,
    });
    return output.includes(place.dataDirectory);
  }
  const folder = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
  return folder === place.dataDirectory;
}

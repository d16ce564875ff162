import { randomBytes } from 'node:crypto';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EmbeddedPostgresError } from './failure.ts';
import type { Place } from './place.ts';
import { isAlive } from './postmaster.ts';
import { run } from './run.ts';

export type ClusterOptions = { fsync: boolean; log: (message: string) => void };

const SUPERUSER = 'postgres';
const UNFINISHED_PREFIX = 'initialising-';

/**
 * Runs initdb unless it has been run. It works in a folder beside and renames it when it is done, so
 * that a data folder is either whole or not there. Expects the password file.
 */
export async function ensureCluster(place: Place, { fsync, log }: ClusterOptions): Promise<void> {
  await removeUnfinished(place, log);
  if (await exists(place.dataDirectory)) return;
  log('initialising a new embedded database');
  const unfinished = join(
    place.directory,
    `${UNFINISHED_PREFIX}${process.pid}-${randomBytes(4).toString('hex')}`,
  );
  const { code, output } = await run(
    join(place.binaries, 'initdb'),
    [
      `--pgdata=${unfinished}`,
      `--username=${SUPERUSER}`,
      `--pwfile=${place.passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      ...(fsync ? [] : ['--no-sync']),
    ],
    { cwd: place.directory, user: place.user },
  );
  if (code !== 0) {
    const reason = output.split('\n').slice(-6).join('\n');
    throw new EmbeddedPostgresError(
      `The embedded database could not be made in ${place.directory}:\n${reason}`,
    );
  }
  await rename(unfinished, place.dataDirectory).catch(async (cause: unknown) => {
    await rm(unfinished, { recursive: true, force: true });
    // Another process that started with us was first; its cluster has the same password.
    if (!(await exists(place.dataDirectory))) throw cause;
  });
  if (fsync) await syncFolder(place.directory);
}

/** The superuser's URL of `database` on the server that listens at `port`. */
export function superuserUrl(port: number, password: string, database: string): string {
  return `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
}

async function removeUnfinished(place: Place, log: (message: string) => void): Promise<void> {
  const names = (await readdir(place.directory)).filter((name) =>
    name.startsWith(UNFINISHED_PREFIX),
  );
  for (const name of names) {
    const owner = Number.parseInt(name.slice(UNFINISHED_PREFIX.length), 10);
    if (owner !== process.pid && isAlive(owner)) continue;
    log(`removing an interrupted initialisation (${name})`);
    // An initdb that lost its starter may still be writing; it disturbs nothing, and the next start tries again.
    await rm(join(place.directory, name), { recursive: true, force: true, maxRetries: 5 }).catch(
      (cause: Error) => log(`could not remove ${name}: ${cause.message}`),
    );
  }
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path);
  await folder.sync();
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { admitApplication } from './application-role.ts';
import type { ServerConfig } from './config.ts';
import { Database } from './db.ts';
import { createLog } from './log.ts';
import { migrate } from './migrate.ts';
import { openDatabase } from './open-database.ts';
import { loadRootKeys, type RootKeyList } from './root-key-source.ts';
import { stopSignal } from './stop-signal.ts';

/** What a command of its own works with: the database, brought up to date, the root keys, and what tells it to stop. */
export type OnDatabase = { db: Database; rootKeys: RootKeyList; stopping: AbortSignal };

/**
 * Does a command's work on the installation's database; nothing else of the control plane runs. `refuseStopped` throws,
 * in words for operators, when the command was told to stop before it began.
 *
 * @throws Error in words for operators, where no installation is
 */
export async function onDatabase(
  config: ServerConfig,
  refuseStopped: (stopping: AbortSignal) => void,
  work: (on: OnDatabase) => Promise<void>,
): Promise<void> {
  const log = createLog(config.log.level);
  const stopping = stopSignal(log);
  const dataDir = resolve(config.dataDir);
  refuseOtherFolder(config, dataDir);
  const rootKeys = await loadRootKeys(config, dataDir);
  const database = await openDatabase(config, dataDir, log);
  try {
    refuseStopped(stopping);
    await migrate(database.ownerConnection);
    await admitApplication(database.ownerConnection, database.connection);
    const db = new Database(database.connection);
    try {
      await work({ db, rootKeys, stopping });
    } finally {
      await db.close();
    }
  } finally {
    await database.stop();
  }
}

/** What a command says that was told to stop before it began. */
export function refuseStopOf(command: string): (stopping: AbortSignal) => void {
  return (stopping) => {
    if (stopping.aborted) throw new Error(`stopped before anything was done; run ${command} again`);
  };
}

/** A root key and a database that a command makes would be those of another installation. */
function refuseOtherFolder({ rootKey, database }: ServerConfig, dataDir: string): void {
  const needed = [
    ...(rootKey === undefined ? ['root-key'] : []),
    ...(database.url === undefined ? ['postgres'] : []),
  ].map((name) => join(dataDir, name));
  const missing = needed.find((path) => !existsSync(path));
  if (missing !== undefined)
    throw new Error(
      `${missing} is not there: run this where the control plane runs, with its configuration (dataDir, rootKey, database.url)`,
    );
}

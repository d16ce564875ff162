import { resolve } from 'node:path';
import pino from 'pino';
import type { ServerConfig } from './config.ts';
import { Database } from './db.ts';
import { createLog } from './log.ts';
import { migrate } from './migrate.ts';
import { openDatabase } from './open-database.ts';
import { stopSignal } from './stop-signal.ts';

/** What a command of its own works with: the database, brought up to date, and what tells it to stop. */
export type OnDatabase = { db: Database; stopping: AbortSignal };

/**
 * Does a command's work on the installation's database; nothing else of the control plane runs. `refuseStopped` throws,
 * in words for operators, when the command was told to stop before it began.
 */
export async function onDatabase(
  config: ServerConfig,
  refuseStopped: (stopping: AbortSignal) => void,
  work: (on: OnDatabase) => Promise<void>,
): Promise<void> {
  const log = createLog(config.log.level, pino.destination(2));
  const stopping = stopSignal(log);
  const database = await openDatabase(config, resolve(config.dataDir), log);
  try {
    refuseStopped(stopping);
    await migrate(database.ownerConnection);
    const db = new Database(database.connection);
    try {
      await work({ db, stopping });
    } finally {
      await db.close();
    }
  } finally {
    await database.stop();
  }
}

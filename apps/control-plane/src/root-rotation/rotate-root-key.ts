import { resolve } from 'node:path';
import pino from 'pino';
import { systemClock } from '../platform/clock.ts';
import type { ServerConfig } from '../platform/config.ts';
import { Database } from '../platform/db.ts';
import { createLog } from '../platform/log.ts';
import { migrate } from '../platform/migrate.ts';
import { openDatabase } from '../platform/open-database.ts';
import {
  loadRootKeys,
  prepareNextRootKey,
  promoteNextRootKey,
} from '../platform/root-key-source.ts';
import { RootKeys } from '../platform/root-keys.ts';
import { stopSignal } from '../platform/stop-signal.ts';
import { refuseStopped, rotateRoot, type RootRotation } from './rotate-root.ts';

/**
 * `sallyport-server rotate-root`: moves the installation to a new root key, which is made in the data folder,
 * or is the configured `rootKey` with the old one as `previousRootKey`. Interrupted anywhere, it can be run
 * again, and the control plane starts either way. Told to stop, it ends with nothing changed, unless all is sealed anew.
 */
export async function rotateRootKey({ config }: { config: ServerConfig }): Promise<void> {
  const log = createLog(config.log.level, pino.destination(2));
  const stopping = stopSignal(log);
  const dataDir = resolve(config.dataDir);
  const inFiles = config.rootKey === undefined;
  const known = await loadRootKeys(config, dataDir);
  const target = inFiles ? await prepareNextRootKey(dataDir) : known[0];
  const database = await openDatabase(config, dataDir, log);
  try {
    refuseStopped(stopping);
    await migrate(database.ownerConnection);
    const db = new Database(database.connection);
    const parts = { db, clock: systemClock, stopping };
    try {
      const rotation = await rotateRoot(parts, new RootKeys([target, ...known]), target);
      if (inFiles) await promoteNextRootKey(dataDir);
      process.stdout.write(inWords(rotation, inFiles, dataDir));
    } finally {
      await db.close();
    }
  } finally {
    await database.stop();
  }
}

function inWords(
  { fingerprint, sealedAnew }: RootRotation,
  inFiles: boolean,
  dataDir: string,
): string {
  const outcome =
    sealedAnew === 0
      ? `The installation names the root key ${fingerprint} already; nothing was to be sealed anew.`
      : `The root key is ${fingerprint} now; ${sealedAnew} keys were sealed anew.`;
  const next = inFiles
    ? `Restart every control plane that runs with the files of ${dataDir}: it knows the old key alone.\nBack up ${dataDir}/root-key apart from the database. root-key.previous opens older backups.`
    : 'Once every replica runs with this rootKey, previousRootKey can be left out.';
  return `${outcome}\n${next}\n`;
}

import { resolve } from 'node:path';
import { counted } from '@sallyport/contract';
import { systemClock } from '../platform/clock.ts';
import type { ServerConfig } from '../platform/config.ts';
import { onDatabase } from '../platform/on-database.ts';
import { prepareNextRootKey, promoteNextRootKey } from '../platform/root-key-source.ts';
import { RootKeys } from '../platform/root-keys.ts';
import { refuseStopped, rotateRoot, type RootRotation } from './rotate-root.ts';

/**
 * `sallyport-server rotate-root`: moves the installation to a new root key, which is made in the data folder,
 * or is the configured `rootKey` with the old one as `previousRootKey`. Interrupted anywhere, it can be run
 * again, and the control plane starts either way. Told to stop, it ends with nothing changed, unless all is sealed anew.
 */
export async function rotateRootKey({ config }: { config: ServerConfig }): Promise<void> {
  const dataDir = resolve(config.dataDir);
  const inFiles = config.rootKey === undefined;
  await onDatabase(config, refuseStopped, async ({ db, rootKeys: known, stopping }) => {
    const target = inFiles ? await prepareNextRootKey(dataDir) : known[0];
    const parts = { db, stopping, clock: systemClock };
    const rotation = await rotateRoot(parts, new RootKeys([target, ...known]), target);
    if (inFiles) await promoteNextRootKey(dataDir);
    process.stdout.write(inWords(rotation, inFiles, dataDir));
  });
}

function inWords(
  { fingerprint, sealedAnew }: RootRotation,
  inFiles: boolean,
  dataDir: string,
): string {
  const outcome =
    sealedAnew === 0
      ? `The installation names the root key ${fingerprint} already; nothing was to be sealed anew.`
      : `The root key is ${fingerprint} now; ${counted(sealedAnew, 'key was', 'keys were')} sealed anew.`;
  const next = inFiles
    ? `Restart every control plane that runs with the files of ${dataDir}: it knows the old key alone.\nBack up ${dataDir}/root-key apart from the database. root-key.previous opens older backups.`
    : 'Once every replica runs with this rootKey, previousRootKey can be left out.';
  return `${outcome}\n${next}\n`;
}

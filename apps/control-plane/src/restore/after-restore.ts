import { systemClock } from '../platform/clock.ts';
import type { ServerConfig } from '../platform/config.ts';
import { onDatabase, refuseStopOf } from '../platform/on-database.ts';
import { RootKeys } from '../platform/root-keys.ts';
import { settleRestored, type Settled } from './settle-restored.ts';

/** `sallyport-server after-restore`: settles a database that was restored from a backup, and says what is left to do. */
export async function afterRestore({ config }: { config: ServerConfig }): Promise<void> {
  await onDatabase(config, refuseStopOf('after-restore'), async ({ db, rootKeys }) => {
    const parts = { db, rootKeys: new RootKeys(rootKeys), clock: systemClock };
    process.stdout.write(inWords(await settleRestored(parts)));
  });
}

function inWords({ groups, sessions }: Settled): string {
  return `Groups that went on to new revisions and keys: ${groups}. Their agents take what this database holds.
Sessions of operators that were ended: ${sessions}.
What was revoked, banned or changed after the backup is as it was before. An export of the audit from then tells what that was: do it again. See docs/backup.md.
`;
}

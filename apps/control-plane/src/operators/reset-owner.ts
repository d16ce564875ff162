import { ConfigError } from '@sallyport/config/load';
import { operatorName } from '@sallyport/contract';
import { HASH_COSTS } from '@sallyport/crypto/password';
import { passwordPolicyOf } from '../platform/access-settings.ts';
import { systemClock } from '../platform/clock.ts';
import type { ServerConfig } from '../platform/config.ts';
import { onDatabase, refuseStopOf } from '../platform/on-database.ts';
import { RootKeys } from '../platform/root-keys.ts';
import { restoreOwner } from './restore-owner.ts';

/**
 * `sallyport-server reset-owner`: lets an owner in again who has lost the password or the second factor, by default
 * the one that the first start made. The new password is all that standard output gets.
 */
export async function resetOwner(
  { config }: { config: ServerConfig },
  name = config.owner.name,
): Promise<void> {
  const { error } = operatorName.safeParse(name);
  if (error !== undefined)
    throw new ConfigError(
      'sallyport-server',
      error.issues.map(({ message }) => `--name: ${message}`),
    );
  const passwordPolicy = passwordPolicyOf(config, HASH_COSTS);
  await onDatabase(config, refuseStopOf('reset-owner'), async ({ db, rootKeys: known }) => {
    const rootKeys = new RootKeys(known);
    const parts = { db, rootKeys, clock: systemClock, passwordPolicy };
    const { password, created } = await restoreOwner(parts, name);
    const made = created ? 'was made, since nobody had this name, and ' : '';
    process.stderr.write(
      `The operator ${name} ${made}can sign in as an owner with the password alone, which is shown this once:\n`,
    );
    process.stdout.write(`${password}\n`);
  });
}

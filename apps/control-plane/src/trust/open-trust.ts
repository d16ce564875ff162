import type { Platform } from '../platform/platform.ts';
import { Authorities } from './authorities.ts';
import { claimInstallation } from './installation.ts';
import { loadSigningKeys, type SigningKeys } from './signing-keys.ts';
import { lockFirstStart } from './trust.store.ts';

/** What the control plane proves itself with; shared by all replicas through the database. */
export type Trust = { signingKeys: SigningKeys; authorities: Authorities };

/** Opens the installation's keys, or makes them at the first start. @throws WrongRootKey */
export async function openTrust({
  db,
  rootKeys,
  clock,
}: Pick<Platform, 'db' | 'rootKeys' | 'clock'>): Promise<Trust> {
  return db.transaction(async (tx) => {
    await lockFirstStart(tx);
    await claimInstallation(tx, rootKeys, clock.now());
    return {
      signingKeys: await loadSigningKeys(tx, rootKeys, clock.now()),
      authorities: await Authorities.load(tx, rootKeys, clock.now()),
    };
  });
}

import type { Platform } from '../platform/platform.ts';
import { Authorities } from './authorities.ts';
import { claimInstallation } from './installation.ts';
import type { OwnStores } from './own-stores.ts';
import { loadSigningKeys, type SigningKeys } from './signing-keys.ts';
import { lockFirstStart } from './trust.store.ts';

/** What the control plane proves itself with; shared by all replicas through the database. */
export type Trust = {
  signingKeys: SigningKeys;
  authorities: Authorities;
  /** The organisation's own certificates and CAs. */
  own: OwnStores;
  /** Whom agents are to trust as the control plane, PEM each: the built-in CAs, and what ends the agent API's own chain. */
  trustAnchors(): string[];
};

/** Opens the installation's keys, or makes them at the first start. @throws WrongRootKey */
export async function openTrust(
  { db, rootKeys, clock }: Pick<Platform, 'db' | 'rootKeys' | 'clock'>,
  own: OwnStores,
): Promise<Trust> {
  return db.transaction(async (tx) => {
    await lockFirstStart(tx);
    await claimInstallation(tx, rootKeys, clock.now());
    const signingKeys = await loadSigningKeys(tx, rootKeys, clock.now());
    const authorities = await Authorities.load(tx, rootKeys, clock.now());
    const trustAnchors = () => {
      const top = own.topOf('agentApi');
      return [...authorities.trustAnchors, ...(top === undefined ? [] : [top])];
    };
    return { signingKeys, authorities, own, trustAnchors };
  });
}

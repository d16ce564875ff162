import { rootKeyFingerprint } from '@sallyport/crypto/root-key';
import type { Db } from '../platform/db.ts';
import { findInstallation, insertInstallation } from './trust.store.ts';

/** This database was made with another root key than the one at hand. */
export class WrongRootKey extends Error {
  constructor(expected: string, actual: string) {
    super(
      `the root key is not the one of this database: its fingerprint is ${actual}, the database was made with ${expected}. ` +
        'Give the original root key (rootKey or the root-key file), or point to another database.',
    );
    this.name = 'WrongRootKey';
  }
}

/** Ties a new database to the root key; refuses a database of another one. @throws WrongRootKey */
export async function claimInstallation(tx: Db, rootKey: Uint8Array, nowMs: number): Promise<void> {
  const fingerprint = rootKeyFingerprint(rootKey);
  const existing = await findInstallation(tx);
  if (existing === undefined) await insertInstallation(tx, fingerprint, new Date(nowMs));
  else if (existing !== fingerprint) throw new WrongRootKey(existing, fingerprint);
}

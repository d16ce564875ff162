import type { Db } from '../platform/db.ts';
import type { RootKeys } from '../platform/root-keys.ts';
import { findInstallation, insertInstallation } from './trust.store.ts';

/** Ties a new database to the first root key; refuses a database of another one. @throws WrongRootKey */
export async function claimInstallation(tx: Db, rootKeys: RootKeys, nowMs: number): Promise<void> {
  const existing = await findInstallation(tx);
  if (existing !== undefined) rootKeys.named(existing);
  else await insertInstallation(tx, rootKeys.fingerprints[0] ?? '', new Date(nowMs));
}

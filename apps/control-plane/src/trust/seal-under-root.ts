import { seal, type Place } from '@sallyport/crypto/envelope';
import type { Db } from '../platform/db.ts';
import type { RootKeys } from '../platform/root-keys.ts';
import { lockInstallation } from './trust.store.ts';

/**
 * Seals with the root key that the installation names, which cannot be rotated before the transaction ends.
 *
 * @throws WrongRootKey when the installation was moved to a root key that is not known here
 */
export async function sealUnderRoot(
  tx: Db,
  rootKeys: RootKeys,
  plaintext: Uint8Array,
  place: Place,
): Promise<Uint8Array<ArrayBuffer>> {
  return seal(rootKeys.named(await lockInstallation(tx, 'SHARE')), plaintext, place);
}

import { seal, type Place } from '@sallyport/crypto/envelope';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import { WrongRootKey, type RootKeys } from '../platform/root-keys.ts';
import { lockInstallation } from './trust.store.ts';

/**
 * Seals with the root key that the installation names, which cannot be rotated before the transaction ends.
 *
 * @throws AppError `server.unavailable` when the installation was moved to a root key that is not known here
 */
export async function sealUnderRoot(
  tx: Db,
  rootKeys: RootKeys,
  plaintext: Uint8Array,
  place: Place,
): Promise<Uint8Array<ArrayBuffer>> {
  const named = await lockInstallation(tx, 'SHARE');
  try {
    return seal(rootKeys.named(named), plaintext, place);
  } catch (error) {
    if (!(error instanceof WrongRootKey)) throw error;
    throw new AppError(
      'server.unavailable',
      'This replica does not have the root key that was rotated to; restart it with that key.',
      { cause: error },
    );
  }
}

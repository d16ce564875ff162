import { seal, type Place } from '@sallyport/crypto/envelope';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import { WrongRootKey, type RootKeys } from '../platform/root-keys.ts';
import { findInstallation, lockInstallation } from './trust.store.ts';

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
  const named = await lockInstallation(tx);
  return seal(namedKey(rootKeys, named), plaintext, place);
}

/**
 * To be asked where a value does not open: without the root key, that says nothing of the value.
 *
 * @throws AppError `server.unavailable` when the installation was moved to a root key that is not known here
 */
export async function refuseUnknownRoot(db: Db, rootKeys: RootKeys): Promise<void> {
  const named = await findInstallation(db);
  if (named !== undefined) namedKey(rootKeys, named);
}

/**
 * Opens what is sealed under the root key.
 *
 * @throws AppError as `refuseUnknownRoot`; CryptoError `envelope.*` for a value that was changed
 */
export async function openUnderKnownRoot(
  db: Db,
  rootKeys: RootKeys,
  sealed: Uint8Array,
  place: Place,
): Promise<Buffer> {
  try {
    return rootKeys.open(sealed, place);
  } catch (error) {
    await refuseUnknownRoot(db, rootKeys);
    throw error;
  }
}

function namedKey(rootKeys: RootKeys, fingerprint: string): Uint8Array {
  try {
    return rootKeys.named(fingerprint);
  } catch (error) {
    if (!(error instanceof WrongRootKey)) throw error;
    throw new AppError(
      'server.unavailable',
      'This replica does not have the root key that was rotated to; restart it with that key.',
      { cause: error },
    );
  }
}

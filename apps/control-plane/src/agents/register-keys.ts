import type { AdmissionRequest, EncryptionPublicKey } from '@sallyport/contract';
import { CryptoError } from '@sallyport/crypto/crypto-error';
import { checkEncryptionPublicKey } from '@sallyport/crypto/encryption-key';
import { calculateJwkThumbprint } from 'jose';
import { holdGroup } from '../groups/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import { insertAgent, type NewAgent } from './agents.store.ts';
import { findBanOf, type KeyThumbprints } from './bans.store.ts';

/** What an agent brings of its own, by whichever way it joins. */
type Brought = Pick<AdmissionRequest, 'name' | 'signingKey' | 'encryptionKey' | 'facts'>;

/** @throws AppError `request.invalid` for a key that nothing can be sealed to */
export function checkEncryptionKey(encryptionKey: EncryptionPublicKey): void {
  try {
    checkEncryptionPublicKey(encryptionKey);
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    const issues = [{ field: 'body.encryptionKey.x', message: `${error.message}; make a new one` }];
    throw new AppError('request.invalid', 'The request is not valid: see body.encryptionKey.x.', {
      issues,
      cause: error,
    });
  }
}

export async function thumbprintsOf({
  signingKey,
  encryptionKey,
}: Pick<Brought, 'signingKey' | 'encryptionKey'>): Promise<KeyThumbprints> {
  return {
    signingKey: await calculateJwkThumbprint(signingKey),
    encryptionKey: await calculateJwkThumbprint(encryptionKey),
  };
}

/** Makes an agent of keys that were proven; false when they, or the name in this group, are banned. */
export async function registerKeys(
  tx: Db,
  { name, signingKey, encryptionKey, facts }: Brought,
  thumbprints: KeyThumbprints,
  row: Pick<
    NewAgent,
    'id' | 'groupId' | 'certificateIdentity' | 'enrollmentTokenId' | 'enrolledAt'
  >,
): Promise<boolean> {
  await holdGroup(tx, row.groupId);
  const ban = await findBanOf(tx, { ...thumbprints, groupId: row.groupId, name });
  if (ban !== undefined) return false;
  const keyThumbprint = thumbprints.signingKey;
  await insertAgent(tx, { ...row, name, signingKey, encryptionKey, keyThumbprint, facts });
  return true;
}

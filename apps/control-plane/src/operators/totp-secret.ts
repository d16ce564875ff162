import type { Place } from '@sallyport/crypto/envelope';
import { openUnderRoot } from '../keyrings/index.ts';
import type { Db } from '../platform/db.ts';
import type { Platform } from '../platform/platform.ts';
import { rootPlace } from '../platform/root-keys.ts';
import { sealUnderRoot } from '../trust/index.ts';
import type { TotpRow } from './totp.store.ts';

/** Seals an operator's TOTP secret under the root key. */
export async function sealTotpSecret(
  tx: Db,
  { rootKeys }: Platform,
  operatorId: string,
  secret: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  return sealUnderRoot(tx, rootKeys, secret, totpPlace(operatorId));
}

/** The caller zeroes what it gets. @throws AppError `envelope.unreadable` */
export function openTotpSecret(
  { rootKeys }: Platform,
  { operatorId, sealedSecret }: Pick<TotpRow, 'operatorId' | 'sealedSecret'>,
): Buffer {
  return openUnderRoot(rootKeys, sealedSecret, totpPlace(operatorId));
}

/** Where an operator's TOTP secret lives: the place that its ciphertext is bound to. */
export function totpPlace(operatorId: string): Place {
  return rootPlace('operator_totps', operatorId, 'sealed_secret');
}

import { randomFillSync } from 'node:crypto';
import { HEADER_BYTES, open, seal, type Place } from '@sallyport/crypto/envelope';
import { zeroable } from '../host/zeroable.ts';

/**
 * Seals a value for as long as this process holds it: `mask || envelope of (value XOR mask)`, with a random mask as
 * long as the value. Opening leaves a copy in memory that Node gives back to the allocator as it is (`decrypted` of
 * packages/crypto); masked, that tells nothing of the value.
 */
export function sealValue(key: Uint8Array, value: Uint8Array, place: Place): Uint8Array {
  const length = value.byteLength;
  const sealed = zeroable(2 * length + HEADER_BYTES);
  const mask = randomFillSync(sealed.subarray(0, length));
  const masked = zeroable(length);
  for (let at = 0; at < length; at += 1) masked[at] = (value[at] ?? 0) ^ (mask[at] ?? 0);
  sealed.set(seal(key, masked, place), length);
  return sealed;
}

/** The value again, which the caller zeroes. @throws CryptoError of `open` */
export function openValue(key: Uint8Array, sealed: Uint8Array, place: Place): Buffer {
  const length = (sealed.byteLength - HEADER_BYTES) / 2;
  const value = open(key, sealed.subarray(length), place);
  for (let at = 0; at < length; at += 1) value[at] = (value[at] ?? 0) ^ (sealed[at] ?? 0);
  return value;
}

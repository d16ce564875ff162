import { open, seal, type Place } from '@sallyport/crypto/envelope';

const PADDED_BYTES = 512;

/** A value as it is held in memory; `length` is that of the value, without what it is padded with. */
export type SealedValue = { bytes: Uint8Array; length: number };

/**
 * Seals a value for as long as this process holds it. It is padded: what opening leaves behind is zeroed by asking the
 * allocator for as much memory again (`decrypted` of packages/crypto), and small pieces of it change hands too often.
 */
export function sealValue(key: Uint8Array, value: Uint8Array, place: Place): SealedValue {
  const blocks = Math.max(1, Math.ceil(value.byteLength / PADDED_BYTES));
  const padded = Buffer.alloc(blocks * PADDED_BYTES);
  padded.set(value);
  const bytes = seal(key, padded, place);
  padded.fill(0);
  return { bytes, length: value.byteLength };
}

/** The value again, which the caller zeroes. @throws CryptoError of `open` */
export function openValue(key: Uint8Array, { bytes, length }: SealedValue, place: Place): Buffer {
  return open(key, bytes, place).subarray(0, length);
}

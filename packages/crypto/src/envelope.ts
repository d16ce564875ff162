import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { CryptoError } from './crypto-error.ts';
import { decrypted } from './decrypted.ts';

/** Where a ciphertext belongs. It opens there and nowhere else. */
export type Place = {
  table: string;
  row: string;
  field: string;
  group: string;
  keyVersion: number;
};

export const KEY_BYTES = 32;
const FORMAT = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** By how much an envelope is longer than what it holds. */
export const HEADER_BYTES = 1 + NONCE_BYTES + TAG_BYTES;

/**
 * Encrypts under AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce and the place as associated
 * data. Returns `format (1) || nonce (12) || tag (16) || ciphertext`. A key may seal 2^32 values at
 * most (section 8.3): callers count.
 */
export function seal(
  key: Uint8Array,
  plaintext: Uint8Array,
  place: Place,
): Uint8Array<ArrayBuffer> {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(associatedData(place));
  const body = cipher.update(plaintext);
  cipher.final();
  return Uint8Array.from(Buffer.concat([Buffer.of(FORMAT), nonce, cipher.getAuthTag(), body]));
}

/**
 * Opens what `seal` made for the same key and place. The caller owns the returned buffer and may zero it.
 *
 * @throws CryptoError `envelope.malformed` for bytes that are no envelope, `envelope.unreadable` for a
 * wrong key, another place or a changed bit; which of them cannot be told.
 */
export function open(key: Uint8Array, envelope: Uint8Array, place: Place): Buffer {
  if (envelope.byteLength < HEADER_BYTES || envelope[0] !== FORMAT) {
    throw new CryptoError(
      'envelope.malformed',
      'the stored value is not an envelope of a known format',
    );
  }
  const nonce = envelope.subarray(1, 1 + NONCE_BYTES);
  const tag = envelope.subarray(1 + NONCE_BYTES, HEADER_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(associatedData(place)).setAuthTag(tag);
  const plaintext = decrypted(decipher, envelope.subarray(HEADER_BYTES));
  try {
    decipher.final();
  } catch (error) {
    plaintext.fill(0);
    throw new CryptoError(
      'envelope.unreadable',
      `a stored value does not open at ${place.table}.${place.field}: it was changed, moved, or written under another key`,
      error,
    );
  }
  return plaintext;
}

/** Length-prefixed, so that no two places share an encoding. */
function associatedData(place: Place): Buffer {
  const parts = [place.table, place.row, place.field, place.group, String(place.keyVersion)];
  return Buffer.concat(
    parts.flatMap((part) => {
      const bytes = Buffer.from(part, 'utf8');
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.byteLength);
      return [length, bytes];
    }),
  );
}

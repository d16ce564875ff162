import type { Decipheriv } from 'node:crypto';

/** Of what glibc's malloc hands out; a piece that would leave less than two of these is handed out with one more. */
const UNIT_BYTES = 16;

/**
 * `decipher.update(ciphertext)`, of which the returned buffer is to be the only copy. Node decrypts into memory of
 * one byte more, hands out a copy, and gives the first back to the allocator as it is; who asks for as much next gets
 * that, with glibc at least, and here zeroes it. Less than 64 bytes are not asked of the allocator. A collection of
 * garbage in between may give back other memory that is handed out first.
 */
export function decrypted(decipher: Decipheriv, ciphertext: Uint8Array): Buffer {
  const plaintext = decipher.update(ciphertext);
  Buffer.allocUnsafeSlow(ciphertext.byteLength + 1 + UNIT_BYTES).fill(0);
  Buffer.allocUnsafeSlow(ciphertext.byteLength + 1).fill(0);
  return plaintext;
}

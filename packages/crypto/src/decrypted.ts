import type { Decipheriv } from 'node:crypto';

/**
 * `decipher.update(ciphertext)`, of which the returned buffer is to be the only copy. Node decrypts into memory of
 * one byte more, hands out a copy, and gives the first back to the allocator as it is; who asks for as much next gets
 * that, with glibc at least, and here zeroes it. Less than 64 bytes are not asked of the allocator.
 */
export function decrypted(decipher: Decipheriv, ciphertext: Uint8Array): Buffer {
  const plaintext = decipher.update(ciphertext);
  Buffer.allocUnsafeSlow(ciphertext.byteLength + 1).fill(0);
  return plaintext;
}

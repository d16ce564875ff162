import type { Decipheriv } from 'node:crypto';

/** As much as glibc's malloc keeps at hand for the thread that gave it back; more may go anywhere. */
const PIECE_BYTES = 1_000;
/** Less than this is not asked of the allocator. */
const SMALL_BYTES = 64;

/**
 * `decipher.update(ciphertext)` of a stream cipher, of which the returned buffer is to be the only copy. Node decrypts
 * into memory of one byte more, hands out a copy, and gives the first back to the allocator as it is. In pieces of this
 * size whoever asks for as much next gets that, with glibc at least, and here zeroes it.
 */
export function decrypted(decipher: Decipheriv, ciphertext: Uint8Array): Buffer {
  const plaintext = Buffer.allocUnsafeSlow(ciphertext.byteLength);
  for (let at = 0; at < ciphertext.byteLength;) {
    const piece = decipher.update(
      ciphertext.subarray(at, at + pieceOf(ciphertext.byteLength - at)),
    );
    Buffer.allocUnsafeSlow(piece.byteLength + 1).fill(0);
    plaintext.set(piece, at);
    at += piece.byteLength;
    piece.fill(0);
  }
  return plaintext;
}

/** So that none of the last two is small. */
function pieceOf(left: number): number {
  return left > PIECE_BYTES && left < PIECE_BYTES + SMALL_BYTES ? left >> 1 : PIECE_BYTES;
}

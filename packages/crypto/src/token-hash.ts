import { pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { CryptoError } from './crypto-error.ts';

const derive = promisify(pbkdf2);

/** PBKDF2-HMAC-SHA512 (RFC 8018, section 5.2); iterations as OWASP recommends for SHA-512. */
export const TOKEN_HASH_ITERATIONS = 210_000;
const SALT_BYTES = 16;
const HASH_BYTES = 64;
const SHAPE = /^\$pbkdf2-sha512\$i=([1-9]\d{0,7})\$([A-Za-z0-9+/]{2,})\$([A-Za-z0-9+/]{86})$/;

/** Hashes a token's secret, or a password, into a PHC string. By default about 0.1 s of one thread of the pool. */
export async function hashTokenSecret(
  secret: string,
  iterations = TOKEN_HASH_ITERATIONS,
): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await derive(secret, salt, iterations, HASH_BYTES, 'sha512');
  return `$pbkdf2-sha512$i=${iterations}$${phcBase64(salt)}$${phcBase64(hash)}`;
}

/**
 * Whether `secret` made the PHC string; constant-time in the hash. `outdated` asks the caller to store
 * a new hash, since the parameters have grown.
 *
 * @throws CryptoError `hash.malformed`
 */
export async function verifyTokenSecret(
  secret: string,
  phc: string,
  iterationsNow = TOKEN_HASH_ITERATIONS,
): Promise<{ valid: boolean; outdated: boolean }> {
  const [, iterations, salt, stored] = SHAPE.exec(phc) ?? [];
  if (iterations === undefined || salt === undefined || stored === undefined) {
    throw new CryptoError(
      'hash.malformed',
      'a stored token hash is not a PHC string of PBKDF2-HMAC-SHA512',
    );
  }
  const expected = Buffer.from(stored, 'base64');
  const actual = await derive(
    secret,
    Buffer.from(salt, 'base64'),
    Number(iterations),
    HASH_BYTES,
    'sha512',
  );
  return {
    valid: timingSafeEqual(actual, expected),
    outdated: Number(iterations) < iterationsNow,
  };
}

/** PHC strings use base64 without padding. */
function phcBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replace(/=+$/, '');
}

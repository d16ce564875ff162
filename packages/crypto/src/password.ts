import argon2 from 'argon2';
import { CryptoError } from './crypto-error.ts';

/** argon2id with the second recommended option of RFC 9106, section 4: 64 MiB, 3 passes, 4 lanes. */
const options = {
  type: argon2.argon2id,
  memoryCost: 64 * 1024,
  timeCost: 3,
  parallelism: 4,
} as const;

const SHAPE = /^\$argon2id\$v=\d+\$(?:[mtp]=\d+,?){3}\$[A-Za-z0-9+/]{22,}\$[A-Za-z0-9+/]{43,}$/;

/** Hashes a password into a PHC string, off the event loop. */
export async function hashPassword(password: string): Promise<string> {
  return argon2.hash(password, options);
}

/**
 * Whether `password` made the PHC string; `outdated` asks the caller to store a new hash.
 *
 * @throws CryptoError `hash.malformed`
 */
export async function verifyPassword(
  password: string,
  phc: string,
): Promise<{ valid: boolean; outdated: boolean }> {
  if (!SHAPE.test(phc))
    throw new CryptoError(
      'hash.malformed',
      'a stored password hash is not a PHC string of argon2id',
    );
  return { valid: await argon2.verify(phc, password), outdated: argon2.needsRehash(phc, options) };
}

import argon2 from 'argon2';
import { CryptoError } from './crypto-error.ts';
import { hashTokenSecret, TOKEN_HASH_ITERATIONS, verifyTokenSecret } from './token-hash.ts';

/** What a guess costs: of argon2id the memory in KiB, the passes and the lanes; of PBKDF2 the iterations. */
export type HashCosts = {
  argon2id: { memoryCost: number; timeCost: number; parallelism: number };
  pbkdf2Iterations: number;
};

/** argon2id with the second recommended option of RFC 9106, section 4: 64 MiB, 3 passes, 4 lanes. */
export const HASH_COSTS: HashCosts = {
  argon2id: { memoryCost: 64 * 1024, timeCost: 3, parallelism: 4 },
  pbkdf2Iterations: TOKEN_HASH_ITERATIONS,
};

const ARGON2ID = /^\$argon2id\$v=\d+\$(?:[mtp]=\d+,?){3}\$[A-Za-z0-9+/]{22,}\$[A-Za-z0-9+/]{43,}$/;
const PBKDF2 = '$pbkdf2-sha512$';

/** How passwords are hashed. `fips`: nothing but PBKDF2-HMAC-SHA512 (NIST SP 800-132) runs, on old hashes too. */
export type PasswordPolicy = { scheme: 'argon2id' | 'pbkdf2'; fips: boolean; costs: HashCosts };

/** Hashes a password into a PHC string, off the event loop. */
export async function hashPassword(
  password: string,
  { scheme, costs }: PasswordPolicy,
): Promise<string> {
  return scheme === 'pbkdf2'
    ? hashTokenSecret(password, costs.pbkdf2Iterations)
    : argon2.hash(password, { type: argon2.argon2id, ...costs.argon2id });
}

/**
 * Whether `password` made the PHC string, of either scheme; `outdated` asks the caller to store a new hash,
 * since the scheme or its parameters are others by now.
 *
 * @throws CryptoError `hash.malformed`; `hash.not_permitted` for a hash of argon2id where FIPS is asked for
 */
export async function verifyPassword(
  password: string,
  phc: string,
  { scheme, fips, costs }: PasswordPolicy,
): Promise<{ valid: boolean; outdated: boolean }> {
  if (phc.startsWith(PBKDF2)) {
    const { valid, outdated } = await verifyTokenSecret(password, phc, costs.pbkdf2Iterations);
    return { valid, outdated: outdated || scheme !== 'pbkdf2' };
  }
  if (!ARGON2ID.test(phc))
    throw new CryptoError(
      'hash.malformed',
      'a stored password hash is not a PHC string of argon2id or PBKDF2-HMAC-SHA512',
    );
  if (fips)
    throw new CryptoError(
      'hash.not_permitted',
      'a password is stored as argon2id, which FIPS does not approve; an owner must reset it',
    );
  const outdated = scheme !== 'argon2id' || argon2.needsRehash(phc, costs.argon2id);
  return { valid: await argon2.verify(phc, password), outdated };
}

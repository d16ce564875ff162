import argon2 from 'argon2';

/** argon2id with the second recommended option of RFC 9106, section 4: 64 MiB, 3 passes, 4 lanes. */
const options = { type: argon2.argon2id, memoryCost: 64 * 1024, timeCost: 3, parallelism: 4 } as const;

/** Hashes a password into a PHC string, off the event loop. */
export async function hashPassword(password: string): Promise<string> {
  return argon2.hash(password, options);
}

/** Whether `password` made the PHC string; `outdated` asks the caller to store a new hash. */
export async function verifyPassword(password: string, phc: string): Promise<{ valid: boolean; outdated: boolean }> {
  return { valid: await argon2.verify(phc, password), outdated: argon2.needsRehash(phc, options) };
}

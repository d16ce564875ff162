import { randomBytes } from 'node:crypto';

const PASSWORD_BYTES = 18;

/** A password for an owner whom nobody else can give one; it is shown once, and longer than any that is asked for. */
export function generatePassword(): string {
  return randomBytes(PASSWORD_BYTES).toString('base64url');
}

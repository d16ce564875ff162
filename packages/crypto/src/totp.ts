import { randomBytes, timingSafeEqual } from 'node:crypto';
import { HOTP, Secret, TOTP } from 'otpauth';

/** RFC 6238 as authenticator apps expect it: HMAC-SHA-1, 30 seconds, six digits; 160 bits as RFC 4226, section 4 asks. */
const SECRET_BYTES = 20;
const STEP_SECONDS = 30;
const DIGITS = 6;
/** One step either way, for clocks that differ (RFC 6238, section 5.2). */
const TOLERATED_STEPS = [0, -1, 1];

export function generateTotpSecret(): Buffer {
  return randomBytes(SECRET_BYTES);
}

/** What an app is told: the secret in base32, and the `otpauth:` URI that its QR code holds. */
export function describeTotp(
  secret: Uint8Array,
  { issuer, account }: { issuer: string; account: string },
): { secret: string; uri: string } {
  const shared = sharedSecret(secret);
  const totp = new TOTP({ issuer, label: account, secret: shared, digits: DIGITS });
  return { secret: shared.base32, uri: totp.toString() };
}

/** The code of a time step, which is the number of 30 seconds since the epoch. */
export function totpCode(secret: Uint8Array, step: number): string {
  return HOTP.generate({ secret: sharedSecret(secret), counter: step, digits: DIGITS });
}

/** The time step of an instant. */
export function totpStep(nowMs: number): number {
  return Math.floor(nowMs / 1000 / STEP_SECONDS);
}

/**
 * The time step whose code this is, of the present one and its neighbours, if it is newer than `lastStep`.
 * The caller remembers it, so that each code is good for once (RFC 6238, section 5.2).
 */
export function matchTotp(
  secret: Uint8Array,
  code: string,
  { nowMs, lastStep }: { nowMs: number; lastStep: number },
): number | undefined {
  const present = totpStep(nowMs);
  const given = Buffer.from(code);
  return TOLERATED_STEPS.map((offset) => present + offset).find((step) => {
    const expected = Buffer.from(totpCode(secret, step));
    const same = given.byteLength === expected.byteLength && timingSafeEqual(given, expected);
    return same && step > lastStep;
  });
}

function sharedSecret(secret: Uint8Array): Secret {
  return new Secret({ buffer: Uint8Array.from(secret).buffer });
}

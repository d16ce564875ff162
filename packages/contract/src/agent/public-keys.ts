import { z } from 'zod';

/**
 * 32 bytes, base64url: a public key of RFC 8037. Canonical (RFC 4648, section 3.5): the two bits that are left
 * over are zero, or one key would have four thumbprints.
 */
const publicPoint = z
  .string()
  .regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/, 'use 32 bytes in base64url');

/** An Ed25519 public key as a JWK (RFC 8037, section 2). Strict, so that a private `d` is refused, not dropped. */
export const signingPublicKey = z.strictObject({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: publicPoint,
});

/** An X25519 public key as a JWK (RFC 8037, section 2); strict like the other. */
export const encryptionPublicKey = z.strictObject({
  kty: z.literal('OKP'),
  crv: z.literal('X25519'),
  x: publicPoint,
});

export type SigningPublicKey = z.infer<typeof signingPublicKey>;
export type EncryptionPublicKey = z.infer<typeof encryptionPublicKey>;

/** The control plane's verification keys, `kid` each, as a JWK Set (RFC 7517, section 5). */
export const verificationKeys = z.strictObject({
  keys: z
    .array(signingPublicKey.extend({ kid: z.string() }))
    .min(1)
    .max(16),
});
export type VerificationKeys = z.infer<typeof verificationKeys>;

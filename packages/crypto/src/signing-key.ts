import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import type { SigningPublicKey } from '@sallyport/contract';
import { signingPublicKey } from '@sallyport/contract';
import { exportJWK, generateKeyPair } from 'jose';

/** An Ed25519 private key as a JWK (RFC 8037, section 2). */
export type SigningPrivateJwk = SigningPublicKey & { d: string };

/** A private key ready for use; `thumbprint` is that of its public half (RFC 7638, SHA-256). */
export type SigningKey = { privateKey: KeyObject; publicJwk: SigningPublicKey; thumbprint: string };

/** Makes an Ed25519 key pair; the JWK is the form that is kept. */
export async function generateSigningJwk(): Promise<SigningPrivateJwk> {
  const { privateKey } = await generateKeyPair('Ed25519', { extractable: true });
  const { x = '', d = '' } = await exportJWK(privateKey);
  return { kty: 'OKP', crv: 'Ed25519', x, d };
}

/** Prepares a private JWK for signing. */
export function importSigningKey(jwk: SigningPrivateJwk): SigningKey {
  const publicJwk = signingPublicKey.parse({ kty: jwk.kty, crv: jwk.crv, x: jwk.x });
  return {
    privateKey: createPrivateKey({ key: jwk, format: 'jwk' }),
    publicJwk,
    thumbprint: signingKeyThumbprint(publicJwk),
  };
}

/** RFC 7638, section 3, for an OKP key (RFC 8037, section 2): SHA-256 of its required members in order, base64url. */
export function signingKeyThumbprint({ crv, kty, x }: SigningPublicKey): string {
  return createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url');
}

/** Prepares a public JWK for verification. */
export function importVerificationKey(jwk: SigningPublicKey): KeyObject {
  return createPublicKey({ key: jwk, format: 'jwk' });
}

import { createPublicKey, type KeyObject } from 'node:crypto';
import type { SigningPublicKey } from '@sallyport/contract';
import { signingPublicKey } from '@sallyport/contract';
import { exportJWK, generateKeyPair, importJWK, calculateJwkThumbprint } from 'jose';

/** An Ed25519 private key as a JWK (RFC 8037, section 2). */
export type SigningPrivateJwk = SigningPublicKey & { d: string };

/** A private key ready for use; `thumbprint` is that of its public half (RFC 7638, SHA-256). */
export type SigningKey = { privateKey: CryptoKey; publicJwk: SigningPublicKey; thumbprint: string };

/** Makes an Ed25519 key pair; the JWK is the form that is kept. */
export async function generateSigningJwk(): Promise<SigningPrivateJwk> {
  const { privateKey } = await generateKeyPair('Ed25519', { extractable: true });
  const { x = '', d = '' } = await exportJWK(privateKey);
  return { kty: 'OKP', crv: 'Ed25519', x, d };
}

/** Prepares a private JWK for signing. */
export async function importSigningKey(jwk: SigningPrivateJwk): Promise<SigningKey> {
  const publicJwk = signingPublicKey.parse({ kty: jwk.kty, crv: jwk.crv, x: jwk.x });
  return {
    privateKey: await importPrivate(jwk),
    publicJwk,
    thumbprint: await calculateJwkThumbprint(publicJwk),
  };
}

async function importPrivate(jwk: SigningPrivateJwk): Promise<CryptoKey> {
  const key = await importJWK(jwk, 'Ed25519');
  if (key instanceof Uint8Array) throw new TypeError('an OKP key was read as a symmetric one');
  return key;
}

/** Prepares a public JWK for verification. */
export function importVerificationKey(jwk: SigningPublicKey): KeyObject {
  return createPublicKey({ key: jwk, format: 'jwk' });
}

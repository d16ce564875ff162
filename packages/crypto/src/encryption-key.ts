import { createPublicKey, diffieHellman, generateKeyPairSync } from 'node:crypto';
import { encryptionPublicKey, type EncryptionPublicKey } from '@sallyport/contract';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK } from 'jose';
import { CryptoError } from './crypto-error.ts';

/** An X25519 private key as a JWK (RFC 8037, section 2). */
export type EncryptionPrivateJwk = EncryptionPublicKey & { d: string };

export type EncryptionKey = {
  privateKey: CryptoKey;
  publicJwk: EncryptionPublicKey;
  thumbprint: string;
};

/** Makes an X25519 key pair; the JWK is the form that is kept. */
export async function generateEncryptionJwk(): Promise<EncryptionPrivateJwk> {
  const { privateKey } = await generateKeyPair('ECDH-ES+A256KW', {
    crv: 'X25519',
    extractable: true,
  });
  const { x = '', d = '' } = await exportJWK(privateKey);
  return { kty: 'OKP', crv: 'X25519', x, d };
}

/** Prepares a private JWK for key agreement. */
export async function importEncryptionKey(jwk: EncryptionPrivateJwk): Promise<EncryptionKey> {
  const publicJwk = encryptionPublicKey.parse({ kty: jwk.kty, crv: jwk.crv, x: jwk.x });
  return {
    privateKey: await importX25519(jwk),
    publicJwk,
    thumbprint: await calculateJwkThumbprint(publicJwk),
  };
}

/**
 * Tries a key agreement with a public key that a stranger sends. A point of small order would agree on the
 * same secret with everybody (RFC 7748, section 6.1), and nothing can be sealed to it.
 *
 * @throws CryptoError `encryption_key.unusable`
 */
export function checkEncryptionPublicKey(jwk: EncryptionPublicKey): void {
  const { privateKey } = generateKeyPairSync('x25519');
  try {
    diffieHellman({ privateKey, publicKey: createPublicKey({ key: jwk, format: 'jwk' }) });
  } catch (error) {
    throw new CryptoError(
      'encryption_key.unusable',
      'the encryption key is a point that nothing can be sealed to',
      error,
    );
  }
}

/** Prepares a public JWK for key agreement. */
export async function importEncryptionPublicKey(jwk: EncryptionPublicKey): Promise<CryptoKey> {
  return importX25519(jwk);
}

async function importX25519(jwk: EncryptionPublicKey | EncryptionPrivateJwk): Promise<CryptoKey> {
  const key = await importJWK(jwk, 'ECDH-ES+A256KW');
  if (key instanceof Uint8Array) throw new TypeError('an OKP key was read as a symmetric one');
  return key;
}

import type { KeyObject } from 'node:crypto';
import {
  generateSigningJwk,
  importSigningKey,
  importVerificationKey,
  type SigningKey,
} from '../src/signing-key.ts';

/** A fresh Ed25519 key. */
export async function newSigningKey(): Promise<SigningKey> {
  return importSigningKey(await generateSigningJwk());
}

/** What the verifiers of these keys hold, by `kid`. */
export async function keyringOf(...keys: SigningKey[]): Promise<Map<string, KeyObject>> {
  const entries = keys.map(
    async (key) => [key.thumbprint, importVerificationKey(key.publicJwk)] as const,
  );
  return new Map(await Promise.all(entries));
}

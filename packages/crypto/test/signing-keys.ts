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
export function keyringOf(...keys: SigningKey[]): Map<string, KeyObject> {
  return new Map(keys.map((key) => [key.thumbprint, importVerificationKey(key.publicJwk)]));
}

import type { KeyObject } from 'node:crypto';
import type { VerificationKeys } from '@sallyport/contract';
import type { Place } from '@sallyport/crypto/envelope';
import {
  generateSigningJwk,
  importSigningKey,
  importVerificationKey,
  type SigningKey,
  type SigningPrivateJwk,
} from '@sallyport/crypto/signing-key';
import type { Db } from '../platform/db.ts';
import { rootPlace, type RootKeys } from '../platform/root-keys.ts';
import { sealUnderRoot } from './seal-under-root.ts';
import { insertSigningKey, listSigningKeys, type SigningKeyRow } from './trust.store.ts';

/** The control plane's signing keys: the newest signs, all verify. */
export type SigningKeys = {
  signer: SigningKey;
  byKid: ReadonlyMap<string, KeyObject>;
  published: VerificationKeys;
};

/** Loads the signing keys, making the first one under the first-start lock. */
export async function loadSigningKeys(
  tx: Db,
  rootKeys: RootKeys,
  nowMs: number,
): Promise<SigningKeys> {
  const existing = await listSigningKeys(tx);
  const rows = existing.length > 0 ? existing : [await createSigningKey(tx, rootKeys, nowMs)];
  const newest = rows[0];
  if (newest === undefined) throw new Error('there is no signing key');
  const verifiers = rows.map((row) => [row.id, importVerificationKey(row.publicKey)] as const);
  return {
    signer: importSigningKey(openPrivateKey(rootKeys, newest)),
    byKid: new Map(verifiers),
    published: { keys: rows.map((row) => ({ ...row.publicKey, kid: row.id })) },
  };
}

async function createSigningKey(tx: Db, rootKeys: RootKeys, nowMs: number): Promise<SigningKeyRow> {
  const jwk = await generateSigningJwk();
  const { thumbprint, publicJwk } = importSigningKey(jwk);
  const row = {
    id: thumbprint,
    publicKey: publicJwk,
    sealedPrivateKey: await sealUnderRoot(
      tx,
      rootKeys,
      Buffer.from(jwk.d, 'base64url'),
      signingKeyPlace(thumbprint),
    ),
    createdAt: new Date(nowMs),
  };
  await insertSigningKey(tx, row);
  return row;
}

function openPrivateKey(rootKeys: RootKeys, row: SigningKeyRow): SigningPrivateJwk {
  const d = rootKeys.open(row.sealedPrivateKey, signingKeyPlace(row.id)).toString('base64url');
  return { ...row.publicKey, d };
}

/** Where a signing key's private half lives: the place that its ciphertext is bound to. */
export function signingKeyPlace(kid: string): Place {
  return rootPlace('signing_keys', kid, 'sealed_private_key');
}

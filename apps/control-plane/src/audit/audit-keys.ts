import {
  formatVerifierKey,
  type NoteSigner,
  type NoteVerifier,
} from '@sallyport/crypto/checkpoint';
import type { Place } from '@sallyport/crypto/envelope';
import {
  generateSigningJwk,
  importSigningKey,
  importVerificationKey,
} from '@sallyport/crypto/signing-key';
import type { Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import type { Platform } from '../platform/platform.ts';
import { rootPlace, type RootKeys } from '../platform/root-keys.ts';
import { lockFirstStart, sealUnderRoot } from '../trust/index.ts';
import { insertAuditKey, listAuditKeys, type AuditKeyRow } from './audit-keys.store.ts';

/** The keys of the audit's checkpoints: the newest signs, all verify. */
export type AuditKeys = { signer: NoteSigner; verifiers: readonly NoteVerifier[] };

/** Opens the keys that sign checkpoints, making the first at the first start. */
export async function openAuditKeys({
  db,
  rootKeys,
  clock,
}: Pick<Platform, 'db' | 'rootKeys' | 'clock'>): Promise<AuditKeys> {
  const rows = await db.transaction(async (tx) => {
    await lockFirstStart(tx);
    const existing = await listAuditKeys(tx);
    if (existing.length > 0) return existing;
    const row = await newKey(tx, rootKeys, clock.now());
    await insertAuditKey(tx, row);
    return [row];
  });
  const [newest] = rows;
  if (newest === undefined) throw new Error('the audit has no key');
  const d = rootKeys.open(newest.sealedPrivateKey, auditKeyPlace(newest.id)).toString('base64url');
  const { privateKey } = importSigningKey({ ...newest.publicKey, d });
  return {
    signer: { name: newest.name, privateKey },
    verifiers: rows.map(({ name, publicKey }) => ({
      name,
      publicKey: importVerificationKey(publicKey),
    })),
  };
}

/** The public halves as text, the newest first. */
export function verifierKeys({ verifiers }: AuditKeys): { keys: string[] } {
  return { keys: verifiers.map(formatVerifierKey) };
}

async function newKey(tx: Db, rootKeys: RootKeys, nowMs: number): Promise<AuditKeyRow> {
  const { d, ...publicKey } = await generateSigningJwk();
  const id = newId();
  return {
    id,
    // The origin of its checkpoints: no other log has it.
    name: `sallyport.audit/${id}`,
    publicKey,
    sealedPrivateKey: await sealUnderRoot(
      tx,
      rootKeys,
      Buffer.from(d, 'base64url'),
      auditKeyPlace(id),
    ),
    createdAt: new Date(nowMs),
  };
}

/** Where the private half of such a key lives: the place that its ciphertext is bound to. */
export function auditKeyPlace(id: string): Place {
  return rootPlace('audit_signing_keys', id, 'sealed_private_key');
}

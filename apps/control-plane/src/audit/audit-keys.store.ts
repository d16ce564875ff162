import { signingPublicKey, type SigningPublicKey } from '@sallyport/contract';
import type { Db } from '../platform/db.ts';

export type AuditKeyRow = {
  id: string;
  name: string;
  publicKey: SigningPublicKey;
  sealedPrivateKey: Uint8Array;
  createdAt: Date;
};

/** The newest first. */
export async function listAuditKeys(db: Db): Promise<AuditKeyRow[]> {
  const rows = await db.auditSigningKey.findMany({ orderBy: { createdAt: 'desc' } });
  return rows.map((row) => ({ ...row, publicKey: signingPublicKey.parse(row.publicKey) }));
}

export async function insertAuditKey(tx: Db, row: AuditKeyRow): Promise<void> {
  await tx.auditSigningKey.create({
    data: { ...row, sealedPrivateKey: Uint8Array.from(row.sealedPrivateKey) },
  });
}

import {
  authorityState,
  signingPublicKey,
  type AuthorityState,
  type SigningPublicKey,
} from '@sallyport/contract';
import type { Db } from '../platform/db.ts';
import { Prisma } from '../platform/prisma-client/client.ts';

/**
 * Held to the end of the transaction: of many replicas that start at once, one makes what is missing, and
 * the others wait for it longer than a writer waits for a group.
 */
export async function lockFirstStart(tx: Db): Promise<void> {
  await tx.$executeRaw`SET LOCAL lock_timeout = 0`;
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('sallyport first start'))`;
}

export async function findInstallation(db: Db): Promise<string | undefined> {
  return (await db.installation.findUnique({ where: { id: 1 } }))?.rootKeyFingerprint;
}

/** The fingerprint of the root key that seals, which nobody rotates before the transaction ends. */
export async function lockInstallation(tx: Db): Promise<string> {
  const [row] = await tx.$queryRaw<{ fingerprint: string }[]>`
    SELECT root_key_fingerprint AS fingerprint FROM installations WHERE id = 1 FOR SHARE`;
  if (row === undefined) throw new Error('this database has no installation');
  return row.fingerprint;
}

/**
 * The same to rotate it: nobody seals before the transaction ends. It is the table that is held, since there is a queue
 * for it: a row that some share is given to all who would share it, too, while one waits to have it alone.
 */
export async function lockInstallationAlone(tx: Db): Promise<string> {
  await tx.$executeRaw`LOCK TABLE installations IN EXCLUSIVE MODE`;
  return lockInstallation(tx);
}

export async function updateInstallation(tx: Db, rootKeyFingerprint: string): Promise<void> {
  await tx.installation.update({ where: { id: 1 }, data: { rootKeyFingerprint } });
}

export async function insertInstallation(
  tx: Db,
  rootKeyFingerprint: string,
  createdAt: Date,
): Promise<void> {
  await tx.installation.create({ data: { id: 1, rootKeyFingerprint, createdAt } });
}

export type SigningKeyRow = {
  id: string;
  publicKey: SigningPublicKey;
  sealedPrivateKey: Uint8Array;
  createdAt: Date;
};

export async function listSigningKeys(db: Db): Promise<SigningKeyRow[]> {
  const rows = await db.signingKey.findMany({ orderBy: { createdAt: 'desc' } });
  return rows.map((row) => ({ ...row, publicKey: signingPublicKey.parse(row.publicKey) }));
}

export async function insertSigningKey(tx: Db, row: SigningKeyRow): Promise<void> {
  await tx.signingKey.create({
    data: { ...row, sealedPrivateKey: Uint8Array.from(row.sealedPrivateKey) },
  });
}

export type AuthorityRow = {
  id: string;
  state: AuthorityState;
  certificatePem: string;
  crossCertificatePem: string | null;
  signedById: string | null;
  /** Null once the CA is retired. */
  sealedPrivateKey: Uint8Array<ArrayBuffer> | null;
  createdAt: Date;
};

/** Newest first. */
export async function listAuthorities(db: Db): Promise<AuthorityRow[]> {
  const rows = await db.certificateAuthority.findMany({ orderBy: { id: 'desc' } });
  return rows.map((row) => ({ ...row, state: authorityState.parse(row.state) }));
}

export async function insertAuthority(tx: Db, row: AuthorityRow): Promise<void> {
  await tx.certificateAuthority.create({ data: row });
}

/**
 * Holds a CA to the end of the transaction, shared while it issues, alone while it is retired; false when it is
 * retired already, or gone.
 */
export async function holdAuthority(
  tx: Db,
  id: string,
  mode: 'KEY SHARE' | 'UPDATE',
): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>`
    SELECT 1 FROM certificate_authorities WHERE id = ${id}::uuid AND state <> 'retired'
    ${Prisma.raw(`FOR ${mode}`)}`;
  return rows.length > 0;
}

/** A retired one loses its private key. */
export async function setAuthorityState(tx: Db, id: string, state: AuthorityState): Promise<void> {
  const data = { state, ...(state === 'retired' ? { sealedPrivateKey: null } : {}) };
  await tx.certificateAuthority.update({ where: { id }, data });
}

export async function deleteAuthority(tx: Db, id: string): Promise<void> {
  await tx.certificateAuthority.delete({ where: { id } });
}

import { offlinePolicy, type PageQuery } from '@sallyport/contract';
import type { CertificateFacts } from '@sallyport/tls/server-identity';
import type { z } from 'zod';
import type { SealedField } from '../keyrings/index.ts';
import type { Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';

export type OfflinePolicy = z.infer<typeof offlinePolicy>;
export type CertificateRow = Omit<CertificateFacts, 'keyAlgorithm'> & {
  id: string;
  name: string;
  version: number;
  offline: OfflinePolicy;
  keyAlgorithm: string;
  createdAt: Date;
  updatedAt: Date;
};

export async function findCertificate(
  db: Db,
  groupId: string,
  name: string,
): Promise<CertificateRow | undefined> {
  const row = await db.certificate.findUnique({ where: { groupId_name: { groupId, name } } });
  return row === null ? undefined : { ...row, offline: offlinePolicy.parse(row.offline) };
}

/** Of a group; with `expiresBefore` only those whose end is before it. */
export async function listCertificates(
  db: Db,
  groupId: string,
  { limit, cursor, expiresBefore }: PageQuery & { expiresBefore?: Date | undefined },
): Promise<CertificateRow[]> {
  const rows = await db.certificate.findMany({
    where: {
      groupId,
      name: { gt: cursor ?? '' },
      ...(expiresBefore === undefined ? {} : { notAfter: { lt: expiresBefore } }),
    },
    orderBy: { name: 'asc' },
    take: limit + 1,
  });
  return rows.map((row) => ({ ...row, offline: offlinePolicy.parse(row.offline) }));
}

/**
 * Creates the certificate with version 1, or moves it to its next version, of which nobody has been warned
 * yet; `offline` stays as it was when absent.
 */
export async function upsertCertificate(
  tx: Db,
  groupId: string,
  name: string,
  given: { facts: CertificateFacts; offline: OfflinePolicy | undefined; now: Date },
): Promise<CertificateRow> {
  const { facts, offline, now } = given;
  const { offline: stored, ...row } = await tx.certificate.upsert({
    where: { groupId_name: { groupId, name } },
    create: {
      ...facts,
      id: newId(),
      groupId,
      name,
      offline: offline ?? 'deny',
      version: 1,
      createdAt: now,
      updatedAt: now,
    },
    update: {
      ...facts,
      version: { increment: 1 },
      warnedDays: null,
      updatedAt: now,
      ...(offline === undefined ? {} : { offline }),
    },
  });
  return { ...row, offline: offlinePolicy.parse(stored) };
}

/** Puts a body in the place of the one before, under an id of its own: an older one put back does not open. */
export async function replaceBody(
  tx: Db,
  { certificateId, groupId }: { certificateId: string; groupId: string },
  { id, sealed, keyVersion }: SealedField & { id: string },
): Promise<void> {
  await tx.certificateBody.deleteMany({ where: { certificateId } });
  const row = { id, certificateId, groupId, sealedBody: sealed, keyVersion };
  await tx.certificateBody.create({ data: row });
}

export async function deleteCertificate(tx: Db, id: string): Promise<void> {
  await tx.certificate.delete({ where: { id } });
}

export type WarnedCertificate = { name: string; groupId: string; version: number; notAfter: Date };

/**
 * Marks certificates that end before `limit`, and that no warning of so few days was given of. A row that
 * another replica is marking is left to it.
 */
export async function markWarned(
  tx: Db,
  days: number,
  limit: Date,
  count: number,
): Promise<WarnedCertificate[]> {
  return tx.$queryRaw<WarnedCertificate[]>`
    UPDATE certificates SET warned_days = ${days}::int
    WHERE id IN (
      SELECT id FROM certificates
      WHERE not_after < ${limit} AND (warned_days IS NULL OR warned_days > ${days}::int)
      ORDER BY not_after LIMIT ${count}::int FOR UPDATE SKIP LOCKED)
    RETURNING name, group_id AS "groupId", version, not_after AS "notAfter"`;
}

/** How many certificates end before each of the instants, in one statement. */
export async function countExpiringBefore(db: Db, limits: Date[]): Promise<number[]> {
  const rows = await db.$queryRaw<{ count: number }[]>`
    SELECT (SELECT count(*)::int FROM certificates WHERE not_after < ends) AS count
    FROM unnest(${limits}::timestamptz[]) WITH ORDINALITY AS given(ends, place) ORDER BY place`;
  return rows.map(({ count }) => count);
}

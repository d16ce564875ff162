import type { CertificateMetadata, CertificateQuery } from '@sallyport/contract';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { authorizedGroup, changeGroup } from '../groups/index.ts';
import type { Precondition } from '../http/preconditions.ts';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import { pageOf, type Page } from '../platform/page-of.ts';
import type { Platform } from '../platform/platform.ts';
import {
  deleteCertificate,
  findCertificate,
  listCertificates,
  type CertificateRow,
} from './certificates.store.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

/** The names in a request's path. */
export type CertificatePath = { group: string; certificate: string };

export async function getCertificate(
  platform: Platform,
  op: Operation,
  path: CertificatePath,
): Promise<CertificateMetadata> {
  const group = await authorizedGroup(platform, op, 'certificate:read', path.group);
  return shownCertificate(
    await platform.db.read((reader) => existingCertificate(reader, group.id, path.certificate)),
  );
}

export async function listGroupCertificates(
  platform: Platform,
  op: Operation,
  groupName: string,
  query: CertificateQuery,
): Promise<Page<CertificateMetadata>> {
  const { db, clock } = platform;
  const group = await authorizedGroup(platform, op, 'certificate:read', groupName);
  const { limit, cursor } = query;
  const expiresBefore = endOf(query, clock.now());
  const rows = await db.read((reader) =>
    listCertificates(reader, group.id, { limit, cursor, expiresBefore }),
  );
  return pageOf(rows.map(shownCertificate), limit, ({ name }) => name);
}

/** The nearer of the two limits; undefined without any. */
function endOf(
  { expiresBefore, expiresWithinDays }: CertificateQuery,
  nowMs: number,
): Date | undefined {
  const limits = [
    ...(expiresBefore === undefined ? [] : [Date.parse(expiresBefore)]),
    ...(expiresWithinDays === undefined ? [] : [nowMs + expiresWithinDays * DAY_MS]),
  ];
  return limits.length === 0 ? undefined : new Date(Math.min(...limits));
}

/** Deletes a certificate with its chain and key; agents drop it with the next revision. */
export async function removeCertificate(
  platform: Platform,
  op: Operation,
  path: CertificatePath,
  precondition: Precondition,
): Promise<void> {
  const { clock } = platform;
  const group = await authorizedGroup(platform, op, 'certificate:delete', path.group);
  await changeGroup(platform, group, async (tx, revision) => {
    const certificate = await existingCertificate(tx, group.id, path.certificate);
    precondition.check(certificate);
    const { id, version, fingerprint } = certificate;
    await deleteCertificate(tx, id);
    const act = {
      action: 'certificate:delete',
      subject: `certificate:${path.certificate}`,
      groupId: group.id,
      outcome: 'done',
      details: { version, fingerprint, revision },
    } as const;
    await appendAuditEvent(tx, op, act, clock.now());
  });
}

/** @throws AppError `certificate.not_found` */
async function existingCertificate(db: Db, groupId: string, name: string): Promise<CertificateRow> {
  const certificate = await findCertificate(db, groupId, name);
  if (certificate === undefined)
    throw new AppError(
      'certificate.not_found',
      'There is no such certificate in this group, or you may not see it.',
    );
  return certificate;
}

export function shownCertificate(row: CertificateRow): CertificateMetadata {
  return {
    id: row.id,
    name: row.name,
    version: row.version,
    offline: row.offline,
    subject: row.subject,
    issuer: row.issuer,
    serialNumber: row.serialNumber,
    dnsNames: row.dnsNames,
    ipAddresses: row.ipAddresses,
    uris: row.uris,
    notBefore: row.notBefore.toISOString(),
    notAfter: row.notAfter.toISOString(),
    fingerprint: row.fingerprint,
    keyAlgorithm: row.keyAlgorithm,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

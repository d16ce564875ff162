import { offlinePolicy, type PageQuery } from '@sallyport/contract';
import type { z } from 'zod';
import type { SealedField } from '../keyrings/index.ts';
import type { Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';

export type OfflinePolicy = z.infer<typeof offlinePolicy>;
export type SecretRow = {
  id: string;
  name: string;
  offline: OfflinePolicy;
  version: number;
  createdAt: Date;
  updatedAt: Date;
};
export type VersionRow = {
  id: string;
  version: number;
  sealedValue: Uint8Array;
  keyVersion: number;
  createdBy: string;
  createdAt: Date;
};

export async function findSecret(
  db: Db,
  groupId: string,
  name: string,
): Promise<SecretRow | undefined> {
  const row = await db.secret.findUnique({ where: { groupId_name: { groupId, name } } });
  return row === null ? undefined : { ...row, offline: offlinePolicy.parse(row.offline) };
}

export async function listSecrets(
  db: Db,
  groupId: string,
  { limit, cursor }: PageQuery,
): Promise<SecretRow[]> {
  const rows = await db.secret.findMany({
    where: { groupId, name: { gt: cursor ?? '' } },
    orderBy: { name: 'asc' },
    take: limit + 1,
  });
  return rows.map((row) => ({ ...row, offline: offlinePolicy.parse(row.offline) }));
}

/** Creates the secret with version 1, or moves it to its next version; `offline` stays as it was when absent. */
export async function upsertSecret(
  tx: Db,
  groupId: string,
  name: string,
  offline: OfflinePolicy | undefined,
  now: Date,
): Promise<SecretRow> {
  const { offline: stored, ...row } = await tx.secret.upsert({
    where: { groupId_name: { groupId, name } },
    create: {
      id: newId(),
      groupId,
      name,
      kind: 'stored',
      delivery: 'bundle',
      offline: offline ?? 'deny',
      version: 1,
      createdAt: now,
      updatedAt: now,
    },
    update: {
      version: { increment: 1 },
      updatedAt: now,
      ...(offline === undefined ? {} : { offline }),
    },
  });
  return { ...row, offline: offlinePolicy.parse(stored) };
}

export async function insertVersion(
  tx: Db,
  of: { groupId: string; secretId: string },
  row: Omit<VersionRow, 'sealedValue' | 'keyVersion'> & SealedField,
): Promise<void> {
  const { sealed, ...rest } = row;
  await tx.secretVersion.create({ data: { ...rest, ...of, sealedValue: sealed } });
}

export async function findVersion(
  db: Db,
  secretId: string,
  version: number,
): Promise<VersionRow | undefined> {
  return (
    (await db.secretVersion.findUnique({ where: { secretId_version: { secretId, version } } })) ??
    undefined
  );
}

export async function listVersions(
  db: Db,
  secretId: string,
  { limit, cursor }: PageQuery,
): Promise<Omit<VersionRow, 'sealedValue' | 'keyVersion'>[]> {
  return db.secretVersion.findMany({
    where: { secretId, ...(cursor === undefined ? {} : { version: { lt: Number(cursor) } }) },
    orderBy: { version: 'desc' },
    take: limit + 1,
    select: { id: true, version: true, createdBy: true, createdAt: true },
  });
}

export async function deleteSecret(tx: Db, id: string): Promise<void> {
  await tx.secret.delete({ where: { id } });
}

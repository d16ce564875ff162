import type { PageQuery } from '@sallyport/contract';
import type { Db } from '../platform/db.ts';

export type EnrollmentTokenRow = {
  id: string;
  groupId: string;
  secretHash: string;
  uses: number;
  usesLeft: number;
  cidrs: string[];
  createdBy: string;
  createdAt: Date;
  expiresAt: Date;
  revokedAt: Date | null;
};

export async function insertEnrollmentToken(tx: Db, row: EnrollmentTokenRow): Promise<void> {
  await tx.enrollmentToken.create({ data: row });
}

export async function findEnrollmentToken(
  db: Db,
  id: string,
): Promise<EnrollmentTokenRow | undefined> {
  return (await db.enrollmentToken.findUnique({ where: { id } })) ?? undefined;
}

export async function listEnrollmentTokens(
  db: Db,
  groupId: string,
  { limit, cursor }: PageQuery,
): Promise<EnrollmentTokenRow[]> {
  return db.enrollmentToken.findMany({
    where: { groupId, ...(cursor === undefined ? {} : { id: { gt: cursor } }) },
    orderBy: { id: 'asc' },
    take: limit + 1,
  });
}

/** Takes one use, unless none is left or the token has ended: of many racers exactly as many win as there are uses. */
export async function takeUse(tx: Db, id: string, now: Date): Promise<boolean> {
  const taken = await tx.enrollmentToken.updateMany({
    where: { id, usesLeft: { gt: 0 }, revokedAt: null, expiresAt: { gt: now } },
    data: { usesLeft: { decrement: 1 } },
  });
  return taken.count === 1;
}

export async function revokeToken(
  tx: Db,
  groupId: string,
  id: string,
  now: Date,
): Promise<boolean> {
  const revoked = await tx.enrollmentToken.updateMany({
    where: { id, groupId, revokedAt: null },
    data: { revokedAt: now },
  });
  return revoked.count === 1;
}

/** Forgets tokens that ended before `before`. */
export async function deleteEndedTokens(db: Db, before: Date, limit: number): Promise<number> {
  const where = { expiresAt: { lt: before } };
  return (await db.enrollmentToken.deleteMany({ where, limit })).count;
}

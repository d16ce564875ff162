import type { PageQuery } from '@sallyport/contract';
import type { Db } from '../platform/db.ts';

export type OperatorRow = { id: string; name: string; passwordHash: string; createdAt: Date };

export async function findOperator(db: Db, name: string): Promise<OperatorRow | undefined> {
  return (await db.operator.findUnique({ where: { name } })) ?? undefined;
}

export async function listOperators(
  db: Db,
  { limit, cursor }: PageQuery,
): Promise<Omit<OperatorRow, 'passwordHash'>[]> {
  return db.operator.findMany({
    where: { name: { gt: cursor ?? '' } },
    orderBy: { name: 'asc' },
    take: limit + 1,
    select: { id: true, name: true, createdAt: true },
  });
}

export async function deleteOperator(tx: Db, id: string): Promise<boolean> {
  return (await tx.operator.deleteMany({ where: { id } })).count === 1;
}

export async function countOperators(db: Db): Promise<number> {
  return db.operator.count();
}

export async function insertOperator(tx: Db, row: OperatorRow): Promise<void> {
  await tx.operator.create({ data: row });
}

/** False when the operator is gone. */
export async function updatePasswordHash(
  tx: Db,
  id: string,
  passwordHash: string,
): Promise<boolean> {
  return (await tx.operator.updateMany({ where: { id }, data: { passwordHash } })).count === 1;
}

/** Replaces a hash with another of the same password; false when the password is another by now, or the operator gone. */
export async function renewPasswordHash(
  db: Db,
  { id, passwordHash }: OperatorRow,
  renewed: string,
): Promise<boolean> {
  const { count } = await db.operator.updateMany({
    where: { id, passwordHash },
    data: { passwordHash: renewed },
  });
  return count === 1;
}

/** Waits for whoever holds an operator's password, and lets nobody hold it before the transaction ends. */
export async function lockOperator(tx: Db, id: string): Promise<void> {
  await tx.$queryRaw`SELECT FROM operators WHERE id = ${id}::uuid FOR NO KEY UPDATE`;
}

/** Whether an operator still has this password; it keeps it, and is not deleted, until the transaction ends. */
export async function holdPassword(tx: Db, { id, passwordHash }: OperatorRow): Promise<boolean> {
  const [row] = await tx.$queryRaw<{ password_hash: string }[]>`
    SELECT password_hash FROM operators WHERE id = ${id}::uuid FOR SHARE`;
  return row?.password_hash === passwordHash;
}

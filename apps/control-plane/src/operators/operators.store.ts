import type { PageQuery } from '@sallyport/contract';
import type { Grant } from '../authorization/index.ts';
import type { Db } from '../platform/db.ts';
import { grantsColumn, grantsJson } from '../role-bindings/index.ts';

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

export async function updatePasswordHash(db: Db, id: string, passwordHash: string): Promise<void> {
  await db.operator.update({ where: { id }, data: { passwordHash } });
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

/** Whether an operator still has this password; it keeps it, and is not deleted, until the transaction ends. */
export async function holdPassword(tx: Db, { id, passwordHash }: OperatorRow): Promise<boolean> {
  const [row] = await tx.$queryRaw<{ password_hash: string }[]>`
    SELECT password_hash FROM operators WHERE id = ${id}::uuid FOR SHARE`;
  return row?.password_hash === passwordHash;
}

export type SessionRow = {
  id: string;
  secretHash: string;
  expiresAt: Date;
  operator: { id: string; name: string; grants: Grant[] };
};

export async function insertSession(
  tx: Db,
  row: { id: string; operatorId: string; secretHash: string; createdAt: Date; expiresAt: Date },
): Promise<void> {
  await tx.operatorSession.create({ data: row });
}

/** In one statement, since it comes before every request. */
export async function findSession(db: Db, id: string): Promise<SessionRow | undefined> {
  const [row] = await db.$queryRaw<
    { secret_hash: string; expires_at: Date; operator_id: string; name: string; grants: unknown }[]
  >`
    SELECT s.secret_hash, s.expires_at, o.id AS operator_id, o.name,
      ${grantsColumn('b.operator_id = o.id')}
    FROM operator_sessions s JOIN operators o ON o.id = s.operator_id
    WHERE s.id = ${id}::uuid`;
  return row === undefined
    ? undefined
    : {
        id,
        secretHash: row.secret_hash,
        expiresAt: row.expires_at,
        operator: { id: row.operator_id, name: row.name, grants: grantsJson.parse(row.grants) },
      };
}

export async function deleteSession(tx: Db, id: string): Promise<void> {
  await tx.operatorSession.deleteMany({ where: { id } });
}

export async function deleteExpiredSessions(tx: Db, now: Date): Promise<number> {
  return (await tx.operatorSession.deleteMany({ where: { expiresAt: { lt: now } } })).count;
}

/** Ends every session of an operator. */
export async function deleteSessionsOf(tx: Db, operatorId: string): Promise<void> {
  await tx.operatorSession.deleteMany({ where: { operatorId } });
}

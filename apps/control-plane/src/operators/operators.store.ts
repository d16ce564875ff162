import { role, type Role } from '@sallyport/contract';
import type { Db } from '../platform/db.ts';

export type OperatorRow = { id: string; name: string; role: Role; passwordHash: string };

export async function findOperator(db: Db, name: string): Promise<OperatorRow | undefined> {
  const row = await db.operator.findUnique({ where: { name } });
  return row === null ? undefined : { ...row, role: role.parse(row.role) };
}

export async function countOperators(db: Db): Promise<number> {
  return db.operator.count();
}

export async function insertOperator(
  tx: Db,
  row: OperatorRow & { createdAt: Date },
): Promise<void> {
  await tx.operator.create({ data: row });
}

export async function updatePasswordHash(db: Db, id: string, passwordHash: string): Promise<void> {
  await db.operator.update({ where: { id }, data: { passwordHash } });
}

export type SessionRow = { id: string; secretHash: string; expiresAt: Date; operator: OperatorRow };

export async function insertSession(
  tx: Db,
  row: { id: string; operatorId: string; secretHash: string; createdAt: Date; expiresAt: Date },
): Promise<void> {
  await tx.operatorSession.create({ data: row });
}

export async function findSession(db: Db, id: string): Promise<SessionRow | undefined> {
  const row = await db.operatorSession.findUnique({ where: { id }, include: { operator: true } });
  return row === null
    ? undefined
    : { ...row, operator: { ...row.operator, role: role.parse(row.operator.role) } };
}

export async function deleteSession(tx: Db, id: string): Promise<void> {
  await tx.operatorSession.deleteMany({ where: { id } });
}

export async function deleteExpiredSessions(tx: Db, now: Date): Promise<number> {
  return (await tx.operatorSession.deleteMany({ where: { expiresAt: { lt: now } } })).count;
}

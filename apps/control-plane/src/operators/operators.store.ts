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

export type SessionRow = {
  id: string;
  secretHash: string;
  expiresAt: Date;
  operator: Omit<OperatorRow, 'passwordHash'>;
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
    { secret_hash: string; expires_at: Date; operator_id: string; name: string; role: string }[]
  >`
    SELECT s.secret_hash, s.expires_at, o.id AS operator_id, o.name, o.role
    FROM operator_sessions s JOIN operators o ON o.id = s.operator_id
    WHERE s.id = ${id}::uuid`;
  return row === undefined
    ? undefined
    : {
        id,
        secretHash: row.secret_hash,
        expiresAt: row.expires_at,
        operator: { id: row.operator_id, name: row.name, role: role.parse(row.role) },
      };
}

export async function deleteSession(tx: Db, id: string): Promise<void> {
  await tx.operatorSession.deleteMany({ where: { id } });
}

export async function deleteExpiredSessions(tx: Db, now: Date): Promise<number> {
  return (await tx.operatorSession.deleteMany({ where: { expiresAt: { lt: now } } })).count;
}

import type { PageQuery } from '@sallyport/contract';
import type { Grant } from '../authorization/index.ts';
import type { Database, Db } from '../platform/db.ts';
import { grantsColumn, grantsJson } from '../role-bindings/index.ts';

export type SessionRow = {
  id: string;
  secretHash: string;
  expiresAt: Date;
  lastUsedAt: Date;
  operator: { id: string; name: string; grants: Grant[] };
};

export async function insertSession(
  tx: Db,
  row: {
    id: string;
    operatorId: string;
    secretHash: string;
    address: string;
    createdAt: Date;
    expiresAt: Date;
    lastUsedAt: Date;
  },
): Promise<void> {
  await tx.operatorSession.create({ data: row });
}

const SESSION = {
  name: 'operator-session',
  text: `SELECT s.secret_hash AS "secretHash", s.expires_at AS "expiresAt", s.last_used_at AS "lastUsedAt",
           o.id AS "operatorId", o.name, ${grantsColumn('b.operator_id = o.id')}
         FROM operator_sessions s JOIN operators o ON o.id = s.operator_id WHERE s.id = $1`,
};

type FoundSession = Omit<SessionRow, 'id' | 'operator'> & {
  operatorId: string;
  name: string;
  grants: unknown;
};

/** In one statement, past Prisma, since it comes before every request. */
export async function findSession(db: Database, id: string): Promise<SessionRow | undefined> {
  const [row] = await db.direct<FoundSession>(SESSION, [id]);
  if (row === undefined) return undefined;
  const { operatorId, name, grants, ...session } = row;
  return { ...session, id, operator: { id: operatorId, name, grants: grantsJson.parse(grants) } };
}

/** Notes that a session was used, unless another replica has since `unlessAfter`. */
export async function noteSessionUse(
  db: Db,
  id: string,
  now: Date,
  unlessAfter: Date,
): Promise<void> {
  await db.operatorSession.updateMany({
    where: { id, lastUsedAt: { lte: unlessAfter } },
    data: { lastUsedAt: now },
  });
}

/** What counts as alive: not expired at `now`, and used since `idleSince`. */
export type Alive = { now: Date; idleSince: Date };

export type ListedSession = {
  id: string;
  address: string;
  createdAt: Date;
  expiresAt: Date;
  lastUsedAt: Date;
};

/** An operator's live sessions, newest first. */
export async function listSessions(
  db: Db,
  operatorId: string,
  { now, idleSince }: Alive,
  { limit, cursor }: PageQuery,
): Promise<ListedSession[]> {
  return db.operatorSession.findMany({
    where: {
      operatorId,
      expiresAt: { gt: now },
      lastUsedAt: { gt: idleSince },
      ...(cursor === undefined ? {} : { id: { lt: cursor } }),
    },
    orderBy: { id: 'desc' },
    take: limit + 1,
    select: { id: true, address: true, createdAt: true, expiresAt: true, lastUsedAt: true },
  });
}

/** False when the operator has no such session. */
export async function deleteSession(tx: Db, operatorId: string, id: string): Promise<boolean> {
  return (await tx.operatorSession.deleteMany({ where: { id, operatorId } })).count === 1;
}

export async function deleteExpiredSessions(db: Db, now: Date, limit: number): Promise<number> {
  return (await db.operatorSession.deleteMany({ where: { expiresAt: { lt: now } }, limit })).count;
}

/** Ends every session of every operator; returns how many. */
export async function deleteAllSessions(tx: Db): Promise<number> {
  return (await tx.operatorSession.deleteMany({})).count;
}

/** Ends every session of an operator, but for one to keep; returns how many. */
export async function deleteSessionsOf(
  tx: Db,
  operatorId: string,
  keptId?: string,
): Promise<number> {
  const { count } = await tx.operatorSession.deleteMany({
    where: { operatorId, ...(keptId === undefined ? {} : { id: { not: keptId } }) },
  });
  return count;
}

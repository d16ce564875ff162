import type { PageQuery } from '@sallyport/contract';
import type { Grant } from '../authorization/index.ts';
import type { Database, Db } from '../platform/db.ts';
import { grantsColumn, grantsJson } from '../role-bindings/index.ts';

export type ApiKeyRow = {
  id: string;
  name: string;
  secretHash: string;
  createdBy: string;
  createdAt: Date;
  expiresAt: Date;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
  rotatedFromId: string | null;
};
export type NewApiKey = Omit<ApiKeyRow, 'lastUsedAt' | 'revokedAt'>;

export async function insertApiKey(tx: Db, row: NewApiKey): Promise<ApiKeyRow> {
  return tx.apiKey.create({ data: row });
}

export async function findApiKey(db: Db, id: string): Promise<ApiKeyRow | undefined> {
  return (await db.apiKey.findUnique({ where: { id } })) ?? undefined;
}

/** Keys by id; of `groupIds`, when given, only those that hold nothing outside these groups. */
export async function listApiKeys(
  db: Db,
  { limit, cursor }: PageQuery,
  groupIds?: string[],
): Promise<ApiKeyRow[]> {
  const within =
    groupIds === undefined
      ? {}
      : { roleBindings: { some: {}, every: { groupId: { in: groupIds } } } };
  return db.apiKey.findMany({
    where: { ...(cursor === undefined ? {} : { id: { gt: cursor } }), ...within },
    orderBy: { id: 'asc' },
    take: limit + 1,
  });
}

export type KeyCaller = ApiKeyRow & { grants: Grant[] };

const KEY_CALLER = {
  name: 'key-caller',
  text: `SELECT k.id, k.name, k.secret_hash AS "secretHash", k.created_by AS "createdBy",
           k.created_at AS "createdAt", k.expires_at AS "expiresAt", k.last_used_at AS "lastUsedAt",
           k.revoked_at AS "revokedAt", k.rotated_from_id AS "rotatedFromId",
           ${grantsColumn('b.api_key_id = k.id')}
         FROM api_keys k WHERE k.id = $1`,
};

/** In one statement, past Prisma, since it comes before every request. */
export async function findKeyCaller(db: Database, id: string): Promise<KeyCaller | undefined> {
  const [row] = await db.direct<ApiKeyRow & { grants: unknown }>(KEY_CALLER, [id]);
  return row === undefined ? undefined : { ...row, grants: grantsJson.parse(row.grants) };
}

/** Notes a use, unless one is noted since `noted`. */
export async function noteUse(db: Db, id: string, now: Date, noted: Date): Promise<void> {
  await db.apiKey.updateMany({
    where: { id, OR: [{ lastUsedAt: null }, { lastUsedAt: { lte: noted } }] },
    data: { lastUsedAt: now },
  });
}

/** False when it was revoked before. */
export async function markKeyRevoked(tx: Db, id: string, now: Date): Promise<boolean> {
  const { count } = await tx.apiKey.updateMany({
    where: { id, revokedAt: null },
    data: { revokedAt: now },
  });
  return count === 1;
}

/** Moves the end of a key nearer, never further; false when it was revoked or has expired. */
export async function endKeyBy(tx: Db, id: string, now: Date, by: Date): Promise<boolean> {
  const ended = await tx.$executeRaw`
    UPDATE api_keys SET expires_at = least(expires_at, ${by})
    WHERE id = ${id}::uuid AND revoked_at IS NULL AND expires_at > ${now}`;
  return ended === 1;
}

/** Marks up to `limit` keys that end before `before` as warned of, each once; returns them. */
export async function markWarned(
  tx: Db,
  before: Date,
  now: Date,
  limit: number,
): Promise<{ id: string; name: string; expiresAt: Date }[]> {
  return tx.$queryRaw<{ id: string; name: string; expiresAt: Date }[]>`
    UPDATE api_keys SET warned_at = ${now}::timestamptz
    WHERE id IN (
      SELECT id FROM api_keys
      WHERE warned_at IS NULL AND revoked_at IS NULL
        AND expires_at > ${now}::timestamptz AND expires_at < ${before}::timestamptz
      ORDER BY expires_at LIMIT ${limit}::int FOR UPDATE SKIP LOCKED)
    RETURNING id, name, expires_at AS "expiresAt"`;
}

import type { PageQuery } from '@sallyport/contract';
import type { Db } from '../platform/db.ts';

export type AgentTokenRow = {
  id: string;
  agentId: string;
  secretHash: string;
  createdBy: string;
  createdAt: Date;
  expiresAt: Date;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
};

export async function insertAgentToken(
  tx: Db,
  row: Omit<AgentTokenRow, 'lastUsedAt' | 'revokedAt'>,
): Promise<AgentTokenRow> {
  return tx.agentToken.create({ data: row });
}

export async function findAgentToken(db: Db, id: string): Promise<AgentTokenRow | undefined> {
  return (await db.agentToken.findUnique({ where: { id } })) ?? undefined;
}

/** Oldest first. */
export async function listAgentTokens(
  db: Db,
  agentId: string,
  { limit, cursor }: PageQuery,
): Promise<AgentTokenRow[]> {
  return db.agentToken.findMany({
    where: { agentId, ...(cursor === undefined ? {} : { id: { gt: cursor } }) },
    orderBy: { id: 'asc' },
    take: limit + 1,
  });
}

/** How many tokens of an agent are good now, which holds its row: of two that are made at once one counts the other. */
export async function countActiveTokens(tx: Db, agentId: string, now: Date): Promise<number> {
  await tx.$queryRaw`SELECT FROM agents WHERE id = ${agentId}::uuid FOR NO KEY UPDATE`;
  return tx.agentToken.count({ where: { agentId, revokedAt: null, expiresAt: { gt: now } } });
}

/** Moves the end of a token nearer, never further; false when it was revoked or has expired. */
export async function endTokenBy(tx: Db, id: string, now: Date, by: Date): Promise<boolean> {
  const ended = await tx.$executeRaw`
    UPDATE agent_tokens SET expires_at = least(expires_at, ${by})
    WHERE id = ${id}::uuid AND revoked_at IS NULL AND expires_at > ${now}`;
  return ended === 1;
}

/** False when it was revoked before. */
export async function markTokenRevoked(tx: Db, id: string, now: Date): Promise<boolean> {
  const { count } = await tx.agentToken.updateMany({
    where: { id, revokedAt: null },
    data: { revokedAt: now },
  });
  return count === 1;
}

export async function noteTokenUse(db: Db, id: string, now: Date): Promise<void> {
  await db.agentToken.updateMany({ where: { id }, data: { lastUsedAt: now } });
}

/** Tokens revoked since `since`, with the agent of each: sessions that they opened may still be unexpired. */
export async function listTokensRevokedSince(
  db: Db,
  since: Date,
): Promise<{ id: string; agentId: string }[]> {
  return db.agentToken.findMany({
    where: { revokedAt: { gte: since } },
    select: { id: true, agentId: true },
  });
}

/** Forgets tokens that expired before `before`. */
export async function deleteEndedAgentTokens(db: Db, before: Date, limit: number): Promise<number> {
  return (await db.agentToken.deleteMany({ where: { expiresAt: { lt: before } }, limit })).count;
}

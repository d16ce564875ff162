import type { Db } from '../platform/db.ts';

/** By CA, the certificates of agents that have not expired. */
export async function countAgentCertificates(
  db: Db,
  now: Date,
): Promise<ReadonlyMap<string, number>> {
  const rows = await db.agentCertificate.groupBy({
    by: ['authorityId'],
    where: { expiresAt: { gt: now }, agent: { revokedAt: null } },
    _count: true,
  });
  return new Map(rows.map(({ authorityId, _count }) => [authorityId, _count]));
}

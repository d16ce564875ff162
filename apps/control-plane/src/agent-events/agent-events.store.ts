import type { Db } from '../platform/db.ts';

/**
 * Notes which batch came last: `again` when it is the one that came last already. They come one after the other. The
 * row decides whether the agent is revoked, whatever this replica has heard.
 */
export async function takeBatch(
  tx: Db,
  agentId: string,
  batch: string,
): Promise<'taken' | 'again' | 'revoked'> {
  const taken = await tx.$executeRaw`
    UPDATE agents SET last_event_batch = ${batch}::uuid
     WHERE id = ${agentId}::uuid AND revoked_at IS NULL
       AND last_event_batch IS DISTINCT FROM ${batch}::uuid`;
  if (taken === 1) return 'taken';
  const agent = await tx.agent.findUnique({
    where: { id: agentId },
    select: { revokedAt: true },
  });
  return agent?.revokedAt === null ? 'again' : 'revoked';
}

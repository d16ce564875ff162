import type { Db } from '../platform/db.ts';

/** Notes which batch came last; false when it is the one that came last already. They come one after the other. */
export async function takeBatch(tx: Db, agentId: string, batch: string): Promise<boolean> {
  const taken = await tx.$executeRaw`
    UPDATE agents SET last_event_batch = ${batch}::uuid
     WHERE id = ${agentId}::uuid AND last_event_batch IS DISTINCT FROM ${batch}::uuid`;
  return taken === 1;
}

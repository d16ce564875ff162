import { agentsOfEnded } from '../leases/index.ts';
import type { Platform } from '../platform/platform.ts';
import type { Hub } from './hub.ts';

/** What ended longer ago is known already: agents that hold leases pull more often than this. */
const DEAF_AT_MOST_MS = 60_000;

/** For after a time without wake-ups: has the waiting agents with a lease that ended meanwhile name their leases again. */
export async function tellOfEndedLeases({ db, clock, log }: Platform, hub: Hub): Promise<void> {
  try {
    const since = new Date(clock.now() - DEAF_AT_MOST_MS);
    const agents = await db.read((reader) => agentsOfEnded(reader, since));
    for (const agentId of agents) hub.settle(agentId, 'leases');
  } catch (error) {
    log.warn({ err: error }, 'agents hear of ended leases with their next pull');
  }
}

import { agentsOfEnded } from '../leases/index.ts';
import type { Platform } from '../platform/platform.ts';
import type { Hub } from './hub.ts';

/** For longer nobody listens in vain for wake-ups: pulls of agents that hold leases come more often. */
const DEAF_AT_MOST_MS = 60_000;

/** Has the agents that wait here name their leases, where one was ended while nothing was heard. */
export async function tellOfEndedLeases({ db, clock, log }: Platform, hub: Hub): Promise<void> {
  try {
    const since = new Date(clock.now() - DEAF_AT_MOST_MS);
    const agents = await db.read((reader) => agentsOfEnded(reader, since));
    for (const agentId of agents) hub.settle(agentId, 'leases');
  } catch (error) {
    log.warn({ err: error }, 'agents hear of ended leases with their next pull');
  }
}

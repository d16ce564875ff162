import type { AgentState } from '@sallyport/contract';
import type { Platform } from '../platform/platform.ts';
import { countStates } from './agent-states.store.ts';

/** How many agents are in each state, for the metrics; empty when the database cannot be asked. */
export async function countAgents({
  db,
  clock,
  log,
}: Pick<Platform, 'db' | 'clock' | 'log'>): Promise<
  ReadonlyMap<Exclude<AgentState, 'revoked'>, number>
> {
  try {
    const { active, stale, lost } = await db.read((reader) =>
      countStates(reader, new Date(clock.now())),
    );
    return new Map([
      ['active', active],
      ['stale', stale],
      ['lost', lost],
    ]);
  } catch (error) {
    log.debug({ err: error }, 'agents could not be counted for the metrics');
    return new Map();
  }
}

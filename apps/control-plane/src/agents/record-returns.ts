import { systemOperation } from '../authorization/index.ts';
import type { Platform } from '../platform/platform.ts';
import { LOST_AFTER_MS, MARKED_AT_ONCE, markReturned } from './agent-states.store.ts';
import { appendStateEvents } from './append-state-events.ts';

/**
 * Takes back that these agents are lost, with an audit event for each that was. What is written late may have been
 * heard so long ago that it says nothing.
 */
export async function recordReturns({ db, clock }: Platform, ids: string[]): Promise<void> {
  const op = systemOperation('acknowledgements');
  for (let from = 0; from < ids.length; from += MARKED_AT_ONCE) {
    await db.transaction(async (tx) => {
      const since = new Date(clock.now() - LOST_AFTER_MS);
      const back = await markReturned(tx, ids.slice(from, from + MARKED_AT_ONCE), since);
      await appendStateEvents(tx, op, 'agent:return', back, clock.now());
    });
  }
}

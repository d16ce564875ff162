import { appendAuditEvents } from '../audit/index.ts';
import { systemOperation } from '../authorization/index.ts';
import type { Platform } from '../platform/platform.ts';
import { MARKED_AT_ONCE, markReturned } from './agent-states.store.ts';

/** Takes back that these agents are lost, with an audit event for each that was. */
export async function recordReturns({ db, clock }: Platform, ids: string[]): Promise<void> {
  const op = systemOperation('acknowledgements');
  for (let from = 0; from < ids.length; from += MARKED_AT_ONCE) {
    await db.transaction(async (tx) => {
      const back = await markReturned(tx, ids.slice(from, from + MARKED_AT_ONCE));
      const events = back.map(({ id, groupId }) => {
        const subject = `agent:${id}`;
        const act = { action: 'agent:return', subject, groupId, outcome: 'done' } as const;
        return { op, act };
      });
      await appendAuditEvents(tx, events, clock.now());
    });
  }
}

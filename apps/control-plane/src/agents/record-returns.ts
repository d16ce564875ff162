import { appendAuditEvent } from '../audit/index.ts';
import { systemOperation } from '../authorization/index.ts';
import type { Platform } from '../platform/platform.ts';
import { markReturned } from './agent-states.store.ts';

/** Takes back that these agents are lost, with an audit event for each that was. */
export async function recordReturns({ db, clock }: Platform, ids: string[]): Promise<void> {
  const op = systemOperation('acknowledgements');
  await db.transaction(async (tx) => {
    for (const { id, groupId } of await markReturned(tx, ids)) {
      const act = {
        action: 'agent:return',
        subject: `agent:${id}`,
        groupId,
        outcome: 'done',
      } as const;
      await appendAuditEvent(tx, op, act, clock.now());
    }
  });
}

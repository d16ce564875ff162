import { appendAuditEvents } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import type { Db } from '../platform/db.ts';

/** Records of each of these agents that it is lost, or no longer. */
export async function appendStateEvents(
  tx: Db,
  op: Operation,
  action: 'agent:lose' | 'agent:return',
  agents: readonly { id: string; groupId: string }[],
  nowMs: number,
): Promise<void> {
  const events = agents.map(({ id, groupId }) => {
    const act = { action, subject: `agent:${id}`, groupId, outcome: 'done' } as const;
    return { op, act };
  });
  await appendAuditEvents(tx, events, nowMs);
}

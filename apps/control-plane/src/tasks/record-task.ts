import { appendAuditEvents, type AuditAction } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import type { Db } from '../platform/db.ts';
import type { TriedTask } from './tasks.store.ts';

/** Records what became of tasks, in the transaction that notes it. The agent's own words are not repeated. */
export async function recordTasks(
  tx: Db,
  op: Operation,
  action: Extract<AuditAction, `task:${string}`>,
  tasks: readonly TriedTask[],
  nowMs: number,
): Promise<void> {
  const acts = tasks.map(({ id, agentId, groupId, kind, state, attempts }) => {
    const count = attempts === 0 ? {} : { count: attempts };
    const details = { kind, agent: agentId, ...count, after: { state } };
    const act = { action, subject: `task:${id}`, groupId, outcome: 'done', details } as const;
    return { op, act };
  });
  await appendAuditEvents(tx, acts, nowMs);
}

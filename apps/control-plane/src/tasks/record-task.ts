import { appendAuditEvent, type AuditAction } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import type { Db } from '../platform/db.ts';
import type { TriedTask } from './tasks.store.ts';

/** Records what became of a task, in the transaction that notes it. The agent's own words are not repeated. */
export async function recordTask(
  tx: Db,
  op: Operation,
  action: Extract<AuditAction, `task:${string}`>,
  { id, agentId, groupId, kind, state, attempts }: TriedTask,
  nowMs: number,
): Promise<void> {
  const count = attempts === 0 ? {} : { count: attempts };
  const details = { kind, agent: agentId, ...count, after: { state } };
  const act = { action, subject: `task:${id}`, groupId, outcome: 'done', details } as const;
  await appendAuditEvent(tx, op, act, nowMs);
}

import type { Diagnosis, PageQuery, Task, TaskKind } from '@sallyport/contract';
import { authorizedAgent } from '../agents/index.ts';
import type { Operation } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import { newId } from '../platform/new-id.ts';
import { pageOf, type Page } from '../platform/page-of.ts';
import type { Platform } from '../platform/platform.ts';
import { publishWakeup } from '../platform/wakeups.ts';
import { MAX_ATTEMPTS, type AgentTasks, type HeldTask } from './agent-tasks.ts';
import { recordTasks } from './record-task.ts';
import {
  findTask,
  insertTask,
  listTasks,
  markCompleted,
  markFailed,
  type TaskRow,
} from './tasks.store.ts';

/**
 * Gives an agent a task. The row is committed first: should the queue be away, the repair work puts the
 * task on it later.
 */
export async function createTask(
  platform: Platform,
  tasks: AgentTasks,
  op: Operation,
  request: { agentId: string; kind: TaskKind },
): Promise<Task> {
  const { db, clock, log } = platform;
  const row = await db.transaction(async (tx) => {
    const agent = await authorizedAgent(tx, op, 'task:create', request.agentId);
    if (agent.revokedAt !== null)
      throw new AppError('agent.not_found', 'This agent was revoked; it takes no more tasks.');
    const created = await insertTask(tx, {
      ...request,
      id: newId(),
      createdBy: op.actor.name,
      createdAt: new Date(clock.now()),
    });
    await recordTasks(tx, op, 'task:create', [{ ...created, groupId: agent.groupId }], clock.now());
    return created;
  });
  try {
    await tasks.enqueue(row.agentId, row.id, row.kind);
    await db.write((writer) => publishWakeup(writer, { kind: 'task', agentId: row.agentId }));
  } catch (error) {
    log.warn({ err: error, taskId: row.id }, 'a task waits for its queue to come back');
  }
  return shown(row);
}

export async function getTask(
  { db }: Platform,
  op: Operation,
  agentId: string,
  id: string,
): Promise<Task> {
  const row = await db.read(async (reader) => {
    await authorizedAgent(reader, op, 'task:read', agentId);
    return findTask(reader, agentId, id);
  });
  if (row === undefined)
    throw new AppError(
      'task.not_found',
      'There is no such task of this agent, or you may not see it.',
    );
  return shown(row);
}

export async function listAgentTasks(
  { db }: Platform,
  op: Operation,
  agentId: string,
  query: PageQuery,
): Promise<Page<Task>> {
  const rows = await db.read(async (reader) => {
    await authorizedAgent(reader, op, 'task:read', agentId);
    return listTasks(reader, agentId, query);
  });
  return pageOf(rows.map(shown), query.limit, (task) => task.id);
}

/** Ends a task with its result. @throws AppError `task.lock_lost` */
export async function completeTask(
  { db, clock }: Platform,
  tasks: AgentTasks,
  op: Operation,
  { result, ...held }: HeldTask & { result: Diagnosis },
): Promise<void> {
  await tasks.extend(held);
  // The row first: if the queue is not told, the next claim finds that the task has ended.
  await db.transaction(async (tx) => {
    const done = await markCompleted(tx, held.taskId, result, new Date(clock.now()));
    if (done !== undefined) await recordTasks(tx, op, 'task:complete', [done], clock.now());
  });
  await tasks.complete(held);
}

/** Gives a task back with a reason; it comes again until its attempts are used up. @throws AppError `task.lock_lost` */
export async function failTask(
  { db, clock }: Platform,
  tasks: AgentTasks,
  op: Operation,
  { error, ...held }: HeldTask & { error: string },
): Promise<void> {
  await tasks.extend(held);
  const now = new Date(clock.now());
  const failed = await db.transaction(async (tx) => {
    const task = await markFailed(tx, held.taskId, error, { maxAttempts: MAX_ATTEMPTS, now });
    if (task !== undefined) await recordTasks(tx, op, 'task:fail', [task], now.getTime());
    return task;
  });
  await tasks.fail(held, error, { again: failed?.state === 'queued' });
}

function shown({ id, kind, state, attempts, result, error, createdAt, finishedAt }: TaskRow): Task {
  return {
    id,
    kind,
    state,
    attempts,
    result,
    error,
    createdAt: createdAt.toISOString(),
    finishedAt: finishedAt?.toISOString() ?? null,
  };
}

import {
  diagnosis,
  taskKind,
  type Diagnosis,
  type PageQuery,
  type TaskKind,
} from '@sallyport/contract';
import { z } from 'zod';
import type { Db } from '../platform/db.ts';

const taskState = z.enum(['queued', 'claimed', 'completed', 'dead']);
/** What has not ended. */
const open = { state: { in: ['queued', 'claimed'] } };

export type TaskRow = {
  id: string;
  agentId: string;
  kind: TaskKind;
  state: z.infer<typeof taskState>;
  attempts: number;
  result: Diagnosis | null;
  error: string | null;
  createdAt: Date;
  finishedAt: Date | null;
};

export async function insertTask(
  tx: Db,
  row: { id: string; agentId: string; kind: TaskKind; createdBy: string; createdAt: Date },
): Promise<TaskRow> {
  return parsed(await tx.task.create({ data: { ...row, state: 'queued' } }));
}

export async function findTask(db: Db, agentId: string, id: string): Promise<TaskRow | undefined> {
  const row = await db.task.findFirst({ where: { id, agentId } });
  return row === null ? undefined : parsed(row);
}

export async function listTasks(
  db: Db,
  agentId: string,
  { limit, cursor }: PageQuery,
): Promise<TaskRow[]> {
  const rows = await db.task.findMany({
    where: { agentId, ...(cursor === undefined ? {} : { id: { lt: cursor } }) },
    orderBy: { id: 'desc' },
    take: limit + 1,
  });
  return rows.map(parsed);
}

/**
 * Counts an attempt and returns its number; undefined when the task has ended, or had all its attempts.
 * The count is kept here, since a queue that lost its jobs has lost theirs.
 */
export async function markClaimed(
  db: Db,
  id: string,
  maxAttempts: number,
): Promise<number | undefined> {
  const [row] = await db.task.updateManyAndReturn({
    where: { id, ...open, attempts: { lt: maxAttempts } },
    data: { state: 'claimed', attempts: { increment: 1 } },
    select: { attempts: true },
  });
  return row?.attempts;
}

/** A task after an attempt, or at its end, and the group that its agent is in. */
export type TriedTask = Pick<TaskRow, 'id' | 'agentId' | 'kind' | 'state' | 'attempts'> & {
  groupId: string;
};

const tried = {
  id: true,
  agentId: true,
  kind: true,
  state: true,
  attempts: true,
  agent: { select: { groupId: true } },
} as const;

/**
 * Ends an attempt that failed: `queued` to be tried again, `dead` if it was the last; undefined when the
 * task had ended before. A second time changes nothing.
 */
export async function markFailed(
  db: Db,
  id: string,
  error: string,
  { maxAttempts, now }: { maxAttempts: number; now: Date },
): Promise<TriedTask | undefined> {
  const [ended] = await db.$queryRaw<{ id: string }[]>`
    UPDATE tasks SET
      error = ${error},
      state = CASE WHEN attempts < ${maxAttempts} THEN 'queued' ELSE 'dead' END,
      finished_at = CASE WHEN attempts < ${maxAttempts} THEN NULL ELSE ${now}::timestamptz END
    WHERE id = ${id}::uuid AND state IN ('queued', 'claimed')
    RETURNING id`;
  return ended && triedTask(await db.task.findUniqueOrThrow({ where: ended, select: tried }));
}

/** Keeps the result; undefined when the task had ended before. */
export async function markCompleted(
  db: Db,
  id: string,
  result: Diagnosis,
  finishedAt: Date,
): Promise<TriedTask | undefined> {
  const [row] = await db.task.updateManyAndReturn({
    where: { id, ...open },
    data: { state: 'completed', result, error: null, finishedAt },
    select: tried,
  });
  return row && triedTask(row);
}

/** Gives the task up; undefined when it had ended before. */
export async function markDead(
  db: Db,
  id: string,
  error: string,
  finishedAt: Date,
): Promise<TriedTask | undefined> {
  const [row] = await db.task.updateManyAndReturn({
    where: { id, ...open },
    data: { state: 'dead', error, finishedAt },
    select: tried,
  });
  return row && triedTask(row);
}

/** Gives up to `limit` tasks up that were created before `before` and have not ended; returns them. */
export async function markAbandoned(
  db: Db,
  before: Date,
  limit: number,
  { error, finishedAt }: { error: string; finishedAt: Date },
): Promise<TriedTask[]> {
  const rows = await db.task.updateManyAndReturn({
    where: { ...open, createdAt: { lt: before } },
    data: { state: 'dead', error, finishedAt },
    select: tried,
    limit,
  });
  return rows.map(triedTask);
}

/** Agents that have a task which has not ended; revoked ones are left out. */
export async function listBusyAgents(db: Db): Promise<string[]> {
  const rows = await db.agent.findMany({
    where: { revokedAt: null, tasks: { some: open } },
    select: { id: true },
  });
  return rows.map(({ id }) => id);
}

/** Up to `limit` tasks that have not ended, of agents that are not revoked: in order of their ids, from the one after `after`. */
export async function listOpenTasks(
  db: Db,
  { after, limit }: { after: string | undefined; limit: number },
): Promise<{ id: string; agentId: string; kind: TaskKind }[]> {
  const rows = await db.task.findMany({
    where: {
      ...open,
      agent: { revokedAt: null },
      ...(after === undefined ? {} : { id: { gt: after } }),
    },
    orderBy: { id: 'asc' },
    take: limit,
    select: { id: true, agentId: true, kind: true },
  });
  return rows.map((row) => ({ ...row, kind: taskKind.parse(row.kind) }));
}

/** Forgets up to `limit` tasks that ended before; returns how many. */
export async function deleteTasksEndedBefore(db: Db, before: Date, limit: number): Promise<number> {
  return (await db.task.deleteMany({ where: { finishedAt: { lt: before } }, limit })).count;
}

function triedTask({
  agent,
  ...row
}: Omit<TriedTask, 'groupId' | 'kind' | 'state'> & {
  kind: unknown;
  state: unknown;
  agent: { groupId: string };
}): TriedTask {
  const [kind, state] = [taskKind.parse(row.kind), taskState.parse(row.state)];
  return { ...row, kind, state, groupId: agent.groupId };
}

function parsed(
  row: Omit<TaskRow, 'kind' | 'state' | 'result'> & {
    kind: unknown;
    state: unknown;
    result: unknown;
  },
): TaskRow {
  return {
    ...row,
    kind: taskKind.parse(row.kind),
    state: taskState.parse(row.state),
    result: diagnosis.nullable().parse(row.result),
  };
}

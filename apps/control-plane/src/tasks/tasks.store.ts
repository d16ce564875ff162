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
    where: { agentId },
    orderBy: { id: 'desc' },
    take: limit + 1,
    ...(cursor === undefined ? {} : { cursor: { id: cursor }, skip: 1 }),
  });
  return rows.map(parsed);
}

export async function markClaimed(db: Db, id: string, attempts: number): Promise<void> {
  await db.task.updateMany({
    where: { id, state: { in: ['queued', 'claimed'] } },
    data: { state: 'claimed', attempts },
  });
}

export async function markQueued(db: Db, id: string, error: string): Promise<void> {
  await db.task.updateMany({ where: { id, state: 'claimed' }, data: { state: 'queued', error } });
}

export async function markCompleted(
  tx: Db,
  id: string,
  result: Diagnosis,
  finishedAt: Date,
): Promise<void> {
  await tx.task.updateMany({
    where: { id },
    data: { state: 'completed', result, error: null, finishedAt },
  });
}

export async function markDead(tx: Db, id: string, error: string, finishedAt: Date): Promise<void> {
  await tx.task.updateMany({ where: { id }, data: { state: 'dead', error, finishedAt } });
}

/** Tasks that are not finished, of agents that are not revoked. */
export async function listOpenTasks(
  db: Db,
): Promise<{ id: string; agentId: string; kind: TaskKind; state: string }[]> {
  const rows = await db.task.findMany({
    where: { state: { in: ['queued', 'claimed'] }, agent: { revokedAt: null } },
    select: { id: true, agentId: true, kind: true, state: true },
    take: 10_000,
  });
  return rows.map((row) => ({ ...row, kind: taskKind.parse(row.kind) }));
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

import { z } from 'zod';
import { diagnosis, taskKind } from '../agent/tasks.ts';
import { instant, uuid } from '../names.ts';

/** `POST /api/v1/agents/:agent/tasks`. */
export const createTaskBody = z.strictObject({
  kind: taskKind.describe(
    '`diagnose`: the agent tells of its host, its clock, its cache and its disk',
  ),
});

export const task = z.strictObject({
  id: uuid,
  kind: taskKind,
  state: z
    .enum(['queued', 'claimed', 'completed', 'dead'])
    .describe(
      '`claimed`: its agent works on it; `dead`: given up, after its last attempt or because nobody finished it for a week',
    ),
  attempts: z.int().describe('How often its agent took it; three times at most'),
  result: diagnosis.nullable().describe('Null until it is `completed`'),
  error: z
    .string()
    .nullable()
    .describe('Why it failed last or was given up; null while neither happened'),
  createdAt: instant,
  finishedAt: instant.nullable().describe('Null until it is `completed` or `dead`'),
});
export type Task = z.infer<typeof task>;

import { z } from 'zod';
import { diagnosis, taskKind } from '../agent/tasks.ts';
import { instant, uuid } from '../names.ts';

/** `POST /api/v1/agents/:agent/tasks`. */
export const createTaskBody = z.strictObject({ kind: taskKind });

/** `dead`: given up, after its last attempt or because nobody finished it for a week; `error` says which. */
export const task = z.strictObject({
  id: uuid,
  kind: taskKind,
  state: z.enum(['queued', 'claimed', 'completed', 'dead']),
  attempts: z.int(),
  result: diagnosis.nullable(),
  error: z.string().nullable(),
  createdAt: instant,
  finishedAt: instant.nullable(),
});
export type Task = z.infer<typeof task>;

import type { JobQueue } from '../platform/queue-backend.ts';

export type Chore = { everyMs: number; work: () => Promise<void> };

/** Puts every chore on its queue's schedule; an interval that has changed counts from then on. */
export async function schedule(queue: JobQueue, chores: Record<string, Chore>): Promise<void> {
  for (const [name, { everyMs }] of Object.entries(chores))
    await queue.upsertJobScheduler(name, { every: everyMs }, { name });
}

/**
 * Puts back what a Redis that restarted empty has lost: BullMQ schedules a chore only while it does the one before.
 * What is there stays as it is, or replicas with different settings would change it to and fro.
 */
export async function scheduleMissing(
  queue: JobQueue,
  chores: Record<string, Chore>,
): Promise<void> {
  const there = new Set((await queue.getJobSchedulers()).map(({ key }) => key));
  const missing = Object.entries(chores).filter(([name]) => !there.has(name));
  await schedule(queue, Object.fromEntries(missing));
}

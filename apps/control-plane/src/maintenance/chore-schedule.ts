import type { JobQueue } from '../platform/queue-backend.ts';

/** The clocks of two replicas, and of Redis, are no further apart: what looks like more was put off by one that was wrong. */
const CLOCKS_DIFFER_MS = 15 * 60_000;

export type Chore = { everyMs: number; work: () => Promise<void> };

/** Puts every chore on its queue's schedule; an interval that has changed counts from then on. */
export async function schedule(queue: JobQueue, chores: Record<string, Chore>): Promise<void> {
  for (const [name, { everyMs }] of Object.entries(chores))
    await queue.upsertJobScheduler(name, { every: everyMs }, { name });
}

/**
 * Puts back what a Redis that restarted empty has lost: BullMQ schedules a chore only while it does the one before.
 * What a clock put off that was ahead, perhaps by days, begins anew: no start would change when it comes.
 * What else is there stays as it is, or replicas with different settings would change it to and fro.
 */
export async function scheduleMissing(
  queue: JobQueue,
  chores: Record<string, Chore>,
): Promise<void> {
  const latestMs = Date.now() + CLOCKS_DIFFER_MS;
  const there = new Set<string>();
  for (const { key, next = 0, every = 0 } of await queue.getJobSchedulers())
    if (next <= latestMs + every) there.add(key);
    else if (key in chores) await queue.removeJobScheduler(key);
  const missing = Object.entries(chores).filter(([name]) => !there.has(name));
  await schedule(queue, Object.fromEntries(missing));
}

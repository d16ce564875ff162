import { inTimeOr } from './in-time-or.ts';
import type { Log } from './log.ts';

/** For what is under way when it is told to stop, and for goodbyes. */
const LAST_WORK_MS = 10_000;
const GOODBYE_MS = 3_000;

type Work = readonly (Promise<unknown> | undefined)[];

/**
 * Waits for the last work and then says goodbye to what is connected, and for no longer to a database or a queue that
 * has fallen silent. All of it is tried, whatever becomes of the rest; never rejects.
 */
export async function stopInTime(log: Log, lastWork: Work, goodbyes: () => Work): Promise<void> {
  const isDone = await doneWithin(LAST_WORK_MS, lastWork, log);
  const isClosed = await doneWithin(GOODBYE_MS, goodbyes(), log);
  if (!isDone || !isClosed)
    log.warn('the database or the queue does not answer any more; stopped without it');
}

async function doneWithin(limitMs: number, work: Work, log: Log): Promise<boolean> {
  const tried = work.map(async (each) =>
    each?.catch((err: unknown) => log.warn({ err }, 'a part of the control plane failed to stop')),
  );
  return inTimeOr(
    Promise.all(tried).then(() => true),
    limitMs,
    false,
  );
}

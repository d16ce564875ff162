import { setTimeout as pause } from 'node:timers/promises';

/** What came of the work, or `late` where it takes longer. The work goes on then, and its failure is nobody's. */
export async function inTimeOr<Value>(
  work: Promise<Value>,
  limitMs: number,
  late: Value,
): Promise<Value> {
  const done = new AbortController();
  try {
    return await Promise.race([work, pause(limitMs, late, { signal: done.signal })]);
  } finally {
    done.abort();
  }
}

import { setTimeout as pause } from 'node:timers/promises';

/** Often enough to notice at once, and seldom enough to leave the processor to what is waited for. */
const PAUSE_MS = 10;

/** Asks again and again until it holds, where nothing tells; the test's own timeout bounds it. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await pause(PAUSE_MS);
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** How many times as long as Node alone a program may take to start on a machine that is busy with other tests. */
const STARTS = 30;

/**
 * A bound of `ms` for a program that starts, on a machine that is not busy; on one that is, what that comes
 * to, by how long Node alone takes to start there now.
 */
export async function startWithin(ms: number): Promise<number> {
  const begun = performance.now();
  await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit');
  return Math.max(ms, STARTS * (performance.now() - begun));
}

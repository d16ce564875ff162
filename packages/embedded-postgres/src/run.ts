import { spawn } from 'node:child_process';
import type { ServerUser } from './server-user.ts';

export type RunOptions = { cwd: string; user: ServerUser | undefined };
export type RunResult = { code: number | null; output: string };

// A server that outlives its starter would carry the starter's environment, secrets included,
// in /proc/<pid>/environ for as long as it runs. It gets this one instead.
const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LANG: 'C',
  TZ: 'UTC',
};

/** Runs a program to its end. Rejects only when it cannot be spawned. */
export function run(program: string, args: string[], options: RunOptions): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: ENVIRONMENT,
      stdio: ['ignore', 'pipe', 'pipe'],
      // A terminal's Ctrl-C is for the owner alone: `pg_ctl` cut short would leave a server that nobody ends.
      detached: true,
      ...options.user,
    });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', reject);
    child.on('close', (code) =>
      resolve({ code, output: Buffer.concat(chunks).toString('utf8').trim() }),
    );
  });
}

import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { unusedPort } from './unused-port.ts';

export type TestRedis = { url: string; stop(): Promise<void> };
export type QueueLeg = { name: 'postgres' | 'redis'; redisUrl: string | undefined; prefix: string };

export const REDIS_URL_VARIABLE = 'SALLYPORT_TEST_REDIS_URL';

/** Real Redis: `TEST_REDIS_URL` or `REDIS_URL`, else a `redis-server` of the PATH on a free port, else undefined. */
export async function startTestRedis(): Promise<TestRedis | undefined> {
  const supplied = process.env['TEST_REDIS_URL'] ?? process.env['REDIS_URL'];
  if (supplied !== undefined) return { url: supplied, stop: async () => {} };
  const port = await unusedPort();
  const password = randomBytes(16).toString('hex');
  const child = spawn('redis-server', ['-'], { stdio: ['pipe', 'pipe', 'ignore'] });
  const failed = once(child, 'error').then(() => false);
  const exited = once(child, 'exit').then(
    () => false,
    () => false,
  );
  child.stdin.on('error', () => {});
  // By standard input: an argument would show the password to every user of the host.
  child.stdin.end(
    `port ${port}\nbind 127.0.0.1\nsave ""\nappendonly no\nrequirepass ${password}\n`,
  );
  const ready = new Promise<boolean>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.includes('Ready to accept connections')) resolve(true);
    });
  });
  if (!(await Promise.race([ready, failed, exited]))) return undefined;
  return {
    url: `redis://:${password}@127.0.0.1:${port}`,
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

/** The queue back ends to run a test on: `describe.each(queueLegs())('on $name', …)`. */
export function queueLegs(): QueueLeg[] {
  const redisUrl = process.env[REDIS_URL_VARIABLE];
  const postgres: QueueLeg = { name: 'postgres', redisUrl: undefined, prefix: 'unused' };
  return redisUrl === undefined
    ? [postgres]
    : [postgres, { name: 'redis', redisUrl, prefix: `test-${randomUUID()}` }];
}

export type TestRedis = { url: string; stop(): Promise<void> };
export type QueueLeg = { name: 'postgres' | 'redis'; redisUrl: string | undefined; prefix: string };

export async function startTestRedis(): Promise<TestRedis | undefined> {
  throw new Error('not built yet');
}

/** The queue back ends to run a test on: `describe.each(queueLegs())('on $name', …)`. */
export function queueLegs(): QueueLeg[] {
  throw new Error('not built yet');
}

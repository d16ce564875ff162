import { afterAll, describe, expect, test } from '@jest/globals';
import { expectNoLeftovers, startProcess } from '../src/process.ts';

afterAll(expectNoLeftovers);

const report = `
  import { queueLegs, startTestRedis } from '${new URL('../src/redis.ts', import.meta.url).href}';
  console.log(JSON.stringify([(await startTestRedis())?.url ?? null, queueLegs().map((leg) => leg.name)]));
`;

async function reported(env: Record<string, string>): Promise<unknown> {
  const command = [process.execPath, '--input-type=module-typescript', '-e', report];
  const child = startProcess({ command, env });
  await child.exited;
  return JSON.parse(child.stdout[0] ?? 'null');
}

describe('Redis for tests', () => {
  test('is the one supplied, and the leg on it runs', async () => {
    const url = 'redis://supplied:6379';
    const env = { REDIS_URL: url, SALLYPORT_TEST_REDIS_URL: url };
    expect(await reported(env)).toEqual([url, ['postgres', 'redis']]);
  });

  test('where there is none is left out', async () => {
    expect(await reported({ PATH: '/nonexistent' })).toEqual([null, ['postgres']]);
  });
});

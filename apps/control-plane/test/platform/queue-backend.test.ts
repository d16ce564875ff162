import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { queueLegs } from '@sallyport/testkit/redis';
import type { JobQueue, QueueBackend } from '../../src/platform/queue-backend.ts';
import { openQueueLeg } from '../queue-leg.ts';

/** More than the ten listeners from which on Node suspects a leak. */
const QUEUES = 50;
/** Rounds of collection: a promise that has just settled holds what it was about for a turn or two. */
const ROUNDS = 10;

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

describe.each(queueLegs())('queues on $name', (leg) => {
  let backend: QueueBackend;
  let end: () => Promise<void>;
  beforeAll(async () => {
    ({ backend, end } = await openQueueLeg(leg));
  });
  afterAll(() => end());

  async function used(queue: JobQueue): Promise<WeakRef<JobQueue>> {
    await queue.add('job', {});
    expect(await queue.count()).toBe(1);
    return new WeakRef(queue);
  }

  test('that are dropped are not kept in memory, and work until then', async () => {
    const warnings: string[] = [];
    const onWarning = ({ name }: Error) => void warnings.push(name);
    process.on('warning', onWarning);
    const open = await backend.queues({});
    const dropped: WeakRef<JobQueue>[] = [];
    for (let number = 1; number <= QUEUES; number += 1)
      dropped.push(await used(open(`queue-${number}`)));
    for (let round = 1; round <= ROUNDS; round += 1) {
      await turn();
      collectGarbage();
    }
    process.off('warning', onWarning);
    expect(dropped.filter((queue) => queue.deref() !== undefined)).toHaveLength(0);
    expect(warnings).toEqual([]);
  });
});

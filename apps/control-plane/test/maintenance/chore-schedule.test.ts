import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { queueLegs } from '@sallyport/testkit/redis';
import { schedule, scheduleMissing, type Chore } from '../../src/maintenance/chore-schedule.ts';
import type { JobQueue } from '../../src/platform/queue-backend.ts';
import { openQueueLeg } from '../queue-leg.ts';

const every = (everyMs: number): Chore => ({ everyMs, work: async () => {} });
const chores = { often: every(5_000), seldom: every(3_600_000) };

describe.each(queueLegs())('the schedule of chores on $name', (leg) => {
  let queue: JobQueue;
  let end: () => Promise<void>;
  beforeAll(async () => {
    const opened = await openQueueLeg(leg);
    ({ end } = opened);
    queue = (await opened.backend.queues({}))('chores');
  });
  beforeEach(() => schedule(queue, chores));
  afterAll(() => end());

  /** What is scheduled, and under `jobs` what is to be done next. */
  async function state() {
    const schedulers = await queue.getJobSchedulers();
    const jobs = await queue.getJobs(['waiting', 'delayed']);
    const chore = (wanted: string) => {
      const found = schedulers.find(({ key }) => key === wanted);
      return found && { every: found.every, next: found.next };
    };
    return {
      often: chore('often'),
      seldom: chore('seldom'),
      jobs: jobs.map(({ id }) => id).toSorted(),
    };
  }

  test('gets back the chore that it has lost, due at once, and keeps the other as it was', async () => {
    const { seldom } = await state();
    await queue.removeJobScheduler('often');
    expect(await state()).toMatchObject({ often: undefined, seldom });
    const from = Date.now();
    await scheduleMissing(queue, chores);
    const after = await state();
    expect(after.often?.every).toBe(5_000);
    expect(after.often?.next).toBeGreaterThanOrEqual(from);
    expect(after.often?.next).toBeLessThanOrEqual(Date.now());
    expect(after.jobs).toContain(`repeat:often:${after.often?.next}`);
    expect(after.seldom).toEqual(seldom);
    expect(after.jobs).toContain(`repeat:seldom:${seldom?.next}`);
  });

  test('that has all chores is left alone, also by a replica with other intervals', async () => {
    const before = await state();
    const others = { often: every(7_000), seldom: every(1_000) };
    await scheduleMissing(queue, others);
    expect(await state()).toEqual(before);
    await schedule(queue, others);
    expect(await state()).toMatchObject({ often: { every: 7_000 }, seldom: { every: 1_000 } });
  });

  test('gives its turn to a chore that a clock which was a day ahead has put off, which no start does', async () => {
    const { seldom } = await state();
    await queue.removeJobScheduler('often');
    const putOff = Date.now() + 24 * 3_600_000;
    const turn = { every: 5_000, startDate: putOff };
    await queue.upsertJobScheduler('often', turn, { name: 'often' });
    await schedule(queue, chores);
    expect((await state()).often?.next).toBe(putOff);
    await scheduleMissing(queue, chores);
    const after = await state();
    expect(after.often?.next).toBeLessThanOrEqual(Date.now());
    expect(after.jobs).toContain(`repeat:often:${after.often?.next}`);
    expect(after.jobs).not.toContain(`repeat:often:${putOff}`);
    expect(after.seldom).toEqual(seldom);
  });
});

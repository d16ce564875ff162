import { expect, test } from '@jest/globals';
import { BoundedPool, hashingBusy } from './bounded-pool.ts';

const busy = expect.objectContaining({ code: 'hashing.busy' });

/** A pool of one that is taken until `free` is called. */
function takenPool(limits: { queued: number; patienceMs?: number }) {
  const pool = new BoundedPool({ concurrency: 1, refusal: hashingBusy, ...limits });
  const { promise, resolve } = Promise.withResolvers<void>();
  const held = pool.run(() => promise);
  const free = async () => {
    resolve();
    await held;
  };
  return { pool, free };
}

const outcomeOf = (work: Promise<unknown>) => work.catch((error: unknown) => error);

test('who waits is let in by turns, and who finds the queue full is refused', async () => {
  const { pool, free } = takenPool({ queued: 2 });
  const order: number[] = [];
  const waiting = [1, 2, 3].map((place) => outcomeOf(pool.run(async () => void order.push(place))));
  expect(await waiting[2]).toEqual(busy);
  await free();
  await Promise.all(waiting);
  expect(order).toEqual([1, 2]);
});

test('who has waited too long leaves the queue refused, and makes room in it', async () => {
  const { pool, free } = takenPool({ queued: 1, patienceMs: 20 });
  let begun = false;
  const impatient = pool.run(async () => {
    begun = true;
  });
  expect(await outcomeOf(impatient)).toEqual(busy);
  const next = pool.run(async () => 'done');
  await free();
  expect(await next).toBe('done');
  expect(begun).toBe(false);
  expect(await pool.run(async () => 'free again')).toBe('free again');
});

test('work that must hold up no other is refused unless it can begin at once', async () => {
  const { pool, free } = takenPool({ queued: 1 });
  expect(await outcomeOf(pool.whenIdle.run(async () => 'done'))).toEqual(busy);
  await free();
  expect(await pool.whenIdle.run(async () => 'done')).toBe('done');
});

import { beforeEach, describe, expect, test } from '@jest/globals';
import { AppError } from './app-error.ts';
import { Batches } from './batches.ts';

type Write = { rows: string[]; done: () => void; failed: (error: Error) => void };

/** Writes that are under way until the test ends them. */
let writes: Write[];
beforeEach(() => {
  writes = [];
});

const refusal = () => new AppError('audit.busy', 'Too many wait.');

function batches(limits: { batch?: number; lanes?: number; queued?: number } = {}) {
  const write = (rows: string[]) =>
    new Promise<void>((done, failed) => void writes.push({ rows, done, failed }));
  return new Batches<string>(write, { batch: 3, lanes: 1, queued: 10, refusal, ...limits });
}

/** Lets what has been resolved be heard of. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

const written = () => writes.map(({ rows }) => rows.join(''));

describe('what is done together', () => {
  test('shares a write when it comes in the same turn, and the next when it comes during one, in order', async () => {
    const group = batches();
    const first = ['a', 'b'].map((row) => group.add(row));
    await settle();
    expect(written()).toEqual(['ab']);
    const next = ['c', 'd', 'e', 'f'].map((row) => group.add(row));
    await settle();
    expect(written()).toEqual(['ab']);
    writes[0]?.done();
    await Promise.all(first);
    await settle();
    expect(written()).toEqual(['ab', 'cde']);
    writes[1]?.done();
    await Promise.all(next.slice(0, 3));
    await settle();
    expect(written()).toEqual(['ab', 'cde', 'f']);
    writes[2]?.done();
    await Promise.all(next);
  });

  test('is heard of once it is committed, not before', async () => {
    const group = batches();
    const heard: string[] = [];
    const added = group.add('a').then(() => heard.push('a'));
    await settle();
    expect([written(), heard]).toEqual([['a'], []]);
    writes[0]?.done();
    await added;
    expect(heard).toEqual(['a']);
  });

  test('fails together, and nothing else with it', async () => {
    const group = batches();
    const lost = [group.add('a'), group.add('b')].map((add) => add.catch(String));
    await settle();
    const kept = group.add('c');
    writes[0]?.failed(new Error('the disk is full'));
    expect(await Promise.all(lost)).toEqual(['Error: the disk is full', 'Error: the disk is full']);
    await settle();
    writes[1]?.done();
    await kept;
    const later = group.add('d');
    await settle();
    expect(written()).toEqual(['ab', 'c', 'd']);
    writes[2]?.done();
    await later;
  });

  test('is refused when too many wait, and taken again when they have gone', async () => {
    const group = batches({ queued: 2 });
    const adds = [group.add('a'), group.add('b')];
    await expect(group.add('c')).rejects.toMatchObject({ code: 'audit.busy' });
    await settle();
    adds.push(group.add('d'), group.add('e'));
    await expect(group.add('f')).rejects.toMatchObject({ code: 'audit.busy' });
    writes[0]?.done();
    await settle();
    writes[1]?.done();
    await Promise.all(adds);
    expect(written()).toEqual(['ab', 'de']);
  });

  test('is under way in so many lanes at a time, and no more', async () => {
    const group = batches({ lanes: 2 });
    const adds: Promise<unknown>[] = [];
    for (const row of ['a', 'b', 'c']) {
      adds.push(group.add(row));
      await settle();
    }
    expect(written()).toEqual(['a', 'b']);
    writes[1]?.done();
    await settle();
    expect(written()).toEqual(['a', 'b', 'c']);
    for (const { done } of writes) done();
    await Promise.all(adds);
  });

  test('gets each its own result, and nothing where there is none', async () => {
    const read = async (names: string[]) =>
      names.map((name) => (name === 'gone' ? undefined : `${name}!`));
    const group = new Batches<string, string>(read, { batch: 3, lanes: 1, queued: 10, refusal });
    const asked = ['a', 'gone', 'c', 'd'].map((name) => group.add(name));
    expect(await Promise.all(asked)).toEqual(['a!', undefined, 'c!', 'd!']);
  });
});

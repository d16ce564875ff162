import { randomBytes } from 'node:crypto';
import { mkdir, rmdir, stat } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createClock, type TestClock } from '@sallyport/testkit/clock';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { silentLog } from '../log.ts';
import type { DurableCopy } from '../sync/replica.ts';
import { DurableStore } from './durable-store.ts';
import { StateDirectory } from './state-directory.ts';

const key = randomBytes(32);
let home: TempDirectory;
let directory: StateDirectory;
let clock: TestClock;
let store: DurableStore;

beforeEach(async () => {
  home = await createTempDirectory('durable');
  directory = await StateDirectory.open(home.path);
  clock = createClock();
  store = new DurableStore(directory, key, clock, silentLog);
});
afterEach(async () => {
  directory[Symbol.dispose]();
  await home.remove();
});

const copyOf = (revision: number): DurableCopy => ({
  revision,
  deliveryKey: 'wrapped',
  durable: `revision ${revision}`,
});

/** A directory in the place of its temporary file: the file cannot be written. */
const block = (name: string) => mkdir(directory.join(`${name}.tmp`));
const unblock = (name: string) => rmdir(directory.join(`${name}.tmp`));

/** What the next start finds. */
async function restart() {
  let durable: string | undefined;
  const next = new DurableStore(directory, key, clock, silentLog);
  const { highWater } = await next.restore(async (stored) => {
    durable = stored.durable;
    return undefined;
  });
  return { durable, ...highWater };
}

describe('a revision that cannot be kept', () => {
  const keptAt = Date.UTC(2030, 0, 1);
  beforeEach(async () => {
    await store.keep(copyOf(1));
    await block('bundle.json');
    clock.advance(60_000);
    await store.keep(copyOf(2));
  });

  test('is told, and leaves the older bundle with its own time and without a mark that vouches for it', async () => {
    expect(store.state()).toMatchObject({ revision: 1, error: 'state.unusable' });
    await store.confirm(clock.now());
    expect(await restart()).toEqual({ durable: 'revision 1', revision: 2, contactAtMs: keptAt });
  });

  test('is kept by the next confirmation after the disk has recovered', async () => {
    await unblock('bundle.json');
    clock.advance(60_000);
    await store.confirm(clock.now());
    expect(store.state()).toMatchObject({ revision: 2, error: undefined });
    const contactAtMs = keptAt + 120_000;
    expect(await restart()).toEqual({ durable: 'revision 2', revision: 2, contactAtMs });
  });

  test('is not kept any more once a newer one was', async () => {
    await unblock('bundle.json');
    await store.keep(copyOf(3));
    await store.confirm(clock.now());
    expect(await restart()).toMatchObject({ durable: 'revision 3', revision: 3 });
  });
});

describe('a high-water mark that cannot be written', () => {
  test('does not make the agent refuse its own newest bundle, and is written later', async () => {
    await store.keep(copyOf(1));
    await block('high-water.json');
    await store.keep(copyOf(2));
    expect(store.state().error).toBe('state.unusable');
    expect(await restart()).toMatchObject({ durable: 'revision 2', revision: 1 });
    await unblock('high-water.json');
    await store.confirm(clock.now());
    expect(store.state().error).toBeUndefined();
    expect(await restart()).toMatchObject({ durable: 'revision 2', revision: 2 });
  });

  test('is no error any more when the next time of contact could be kept', async () => {
    await store.keep(copyOf(1));
    await block('high-water.json');
    await store.confirm(clock.now());
    expect(store.state().error).toBe('state.unusable');
    await unblock('high-water.json');
    await store.confirm(clock.now());
    expect(store.state()).toMatchObject({ revision: 1, error: undefined });
  });
});

describe('what is kept is removed', () => {
  beforeEach(async () => store.keep(copyOf(7)));

  test('by a wipe, whose mark still lets nothing older back', async () => {
    await store.wipe();
    expect(store.state()).toEqual({ revision: undefined, bytes: 0, error: undefined });
    expect(await restart()).toMatchObject({ durable: undefined, revision: 7 });
  });

  test('by a wipe, and with it what could not be kept', async () => {
    await block('bundle.json');
    await store.keep(copyOf(8));
    await store.wipe();
    await unblock('bundle.json');
    await store.confirm(clock.now());
    expect(await restart()).toMatchObject({ durable: undefined, revision: 8 });
  });

  test('by a wipe that comes before it is written', async () => {
    const kept = store.keep(copyOf(8));
    await store.wipe();
    await kept;
    expect(await restart()).toMatchObject({ durable: undefined, revision: 7 });
  });

  test('[SG-09] by a move, before the disk says which group the agent is in, and what could not be kept with it', async () => {
    await block('bundle.json');
    await store.keep(copyOf(8));
    await unblock('bundle.json');
    const found: unknown[] = [];
    await store.moveOn(async () => void found.push(await restart()));
    expect(found).toEqual([{ durable: undefined, revision: 0, contactAtMs: 0 }]);
    expect(store.state()).toEqual({ revision: undefined, bytes: 0, error: undefined });
    await store.confirm(clock.now());
    expect(found).toHaveLength(1);
    expect(await restart()).toMatchObject({ durable: undefined, revision: 0 });
  });

  test('[SG-09] by a move that comes while another is written, which is not the last word', async () => {
    const joined: string[] = [];
    const first = store.moveOn(async () => void joined.push('first'));
    await new Promise(setImmediate);
    await Promise.all([first, store.moveOn(async () => void joined.push('second'))]);
    expect(joined).toEqual(['first', 'second']);
  });

  test('[SG-09] by a move that could not be written, before anything of the new group is kept', async () => {
    const joined: string[] = [];
    await block('bundle.json');
    await store.moveOn(async () => void joined.push('joined'));
    await store.confirm(clock.now());
    expect(store.state().error).toBe('state.unusable');
    await block('high-water.json');
    await unblock('bundle.json');
    await store.keep(copyOf(1));
    expect([joined, store.newestRevision]).toEqual([[], 7]);
    expect(await restart()).toMatchObject({ durable: undefined });
    await unblock('high-water.json');
    await store.confirm(clock.now());
    expect(joined).toEqual(['joined']);
    expect(await restart()).toMatchObject({ durable: 'revision 1', revision: 1 });
  });
});

test('[F-04] a bundle that no mark vouches for is not opened, but quarantined', async () => {
  await store.keep(copyOf(7));
  await directory.remove('high-water.json');
  store = new DurableStore(directory, key, clock, silentLog);
  const refused: string[] = [];
  store.onQuarantine = (code) => void refused.push(code);
  const opened: unknown[] = [];
  const { applied } = await store.restore(async (stored) => void opened.push(stored));
  expect([applied, opened, refused]).toEqual([undefined, [], ['high_water.unreadable']]);
  expect(await directory.read('bundle.json')).toBeUndefined();
  expect(store.newestRevision).toBe(0);
  expect(await store.describe()).toMatchObject({ durableRevision: null, quarantined: 1 });
});

test('a first start finds nothing, which is no fault; the next one finds what was kept', async () => {
  await store.restore(async () => undefined);
  expect(store.state().error).toBeUndefined();
  await store.keep(copyOf(7));
  const { bytes } = store.state();
  expect(await store.describe()).toMatchObject({ durableRevision: 7, durableBundleBytes: bytes });
  const next = new DurableStore(directory, key, clock, silentLog);
  await next.restore(async () => undefined);
  expect(next.state().bytes).toBe(bytes);
});

test('a confirmation does not write the bundle again', async () => {
  await store.keep(copyOf(1));
  const { ino } = await stat(directory.join('bundle.json'));
  await store.confirm(clock.now());
  expect((await stat(directory.join('bundle.json'))).ino).toBe(ino);
});

test('of revisions that come while one is written, the newest is on disk in the end', async () => {
  const kept = [1, 2, 3].map((revision) => store.keep(copyOf(revision)));
  const confirmed = store.confirm(clock.now());
  await store.settled();
  expect(await restart()).toMatchObject({ durable: 'revision 3', revision: 3 });
  await Promise.all([...kept, confirmed]);

  const earlier = store.keep(copyOf(4));
  await new Promise(setImmediate);
  await Promise.all([earlier, store.keep(copyOf(5))]);
  expect(await restart()).toMatchObject({ durable: 'revision 5', revision: 5 });
});

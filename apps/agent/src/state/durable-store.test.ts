import { randomBytes } from 'node:crypto';
import { mkdir, rmdir } from 'node:fs/promises';
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

test('of revisions that come while one is written, the newest is on disk in the end', async () => {
  const kept = [1, 2, 3].map((revision) => store.keep(copyOf(revision)));
  const confirmed = store.confirm(clock.now());
  await store.settled();
  expect(await restart()).toMatchObject({ durable: 'revision 3', revision: 3 });
  await Promise.all([...kept, confirmed]);
});

import { describe, expect, test } from '@jest/globals';
import { silentLog } from '../log.ts';
import { Move, TAKE_OVER_WITHIN_MS } from './move.ts';

const [OLD, NEW] = ['plant-7', 'plant-8'].map((name, at) => ({ id: `id-${at}`, name }));

/** A move whose minute ends when `timeUp` is called. */
function moving(from = OLD ?? { id: '', name: '' }) {
  const did: string[] = [];
  const sleeping = Promise.withResolvers<void>();
  const replica = { group: from, moveTo: (group: typeof from) => void (replica.group = group) };
  const move = new Move({
    replica,
    log: silentLog,
    clock: {
      sleep: (ms, signal) => {
        did.push(`sleep ${ms}`);
        signal?.addEventListener('abort', () => sleeping.resolve(), { once: true });
        return sleeping.promise;
      },
    },
    interrupt: () => did.push('interrupt'),
    wipe: () => did.push('wipe'),
    keep: async ({ name }) => void did.push(`keep ${name}`),
  });
  return { move, did, timeUp: () => sleeping.resolve() };
}

describe('[SG-09] a move to another group', () => {
  const to = NEW ?? { id: '', name: '' };
  const begun = [`sleep ${TAKE_OVER_WITHIN_MS}`, 'interrupt'];

  test('is on disk once the first bundle of the new group runs, and once only', async () => {
    const { move, did, timeUp } = moving();
    move.learn(to);
    move.learn(to);
    expect(did).toEqual(begun);
    await move.complete();
    await move.complete();
    timeUp();
    await move.stop();
    expect(did).toEqual([...begun, 'keep plant-8']);
  });

  test('[SG-37] wipes what is held of the old group when no bundle of the new one comes in time', async () => {
    const { move, did, timeUp } = moving();
    move.learn(to);
    timeUp();
    await new Promise(setImmediate);
    expect(did).toEqual([...begun, 'wipe', 'keep plant-8']);
    await move.stop();
  });

  test('writes and wipes nothing when the agent ends before, or is told of the group that it is in', async () => {
    const { move, did } = moving();
    move.learn(OLD ?? to);
    expect(did).toEqual([]);
    move.learn(to);
    await move.stop();
    await move.complete();
    expect(did).toEqual(begun);
  });
});

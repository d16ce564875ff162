import { beforeEach, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { KeyMemory } from '../host/key-memory.ts';
import type { EntryKind, OpenedBundle } from '../sync/open-bundle.ts';
import { ValueCache, type CachedEntry } from './value-cache.ts';

type Row = [kind: EntryKind, name: string, version: number, value: string];

function bundleOf(revision: number, ...rows: Row[]): OpenedBundle {
  const entries = rows.map(([kind, name, version, value]) => ({
    kind,
    name,
    version,
    value: Buffer.from(value),
  }));
  return { revision, epoch: 1, complete: true, entries };
}

const isZero = (bytes: Uint8Array) => bytes.every((byte) => byte === 0);

/** What an entry is held as, which its type hides. */
const sealedBytesOf = (entry: CachedEntry) =>
  z.object({ sealed: z.instanceof(Uint8Array) }).parse(entry).sealed;

let cache: ValueCache;
let keys: Uint8Array[];
beforeEach(() => {
  keys = [];
  const keyMemory = KeyMemory.ordinary();
  const make = keyMemory.make.bind(keyMemory);
  keyMemory.make = () => {
    const key = make();
    keys.push(key);
    return key;
  };
  cache = new ValueCache('0190', keyMemory);
  cache.replace(
    bundleOf(
      1,
      ['secret', 'kept', 1, 'same'],
      ['secret', 'changed', 1, 'old'],
      ['secret', 'gone', 1, 'x'],
    ),
  );
});

describe('the values of a revision', () => {
  test('open to what was put in', () => {
    const entry = cache.find('secret', 'kept');
    expect(entry).toMatchObject({ name: 'kept', version: 1 });
    expect(entry && cache.open(entry).toString()).toBe('same');
    expect(cache.find('plugin', 'kept')).toBeUndefined();
    expect(cache.find('secret', 'missing')).toBeUndefined();
  });

  test('the next revision reports what it brought, changed and removed, and nothing else', () => {
    const changes = cache.replace(
      bundleOf(
        2,
        ['secret', 'kept', 1, 'same'],
        ['secret', 'changed', 2, 'new'],
        ['plugin', 'brought', 1, '{}'],
      ),
    );
    expect(changes).toEqual([
      { kind: 'secret', name: 'changed', version: 2, removed: false },
      { kind: 'plugin', name: 'brought', version: 1, removed: false },
      { kind: 'secret', name: 'gone', version: 1, removed: true },
    ]);
  });

  test('what a revision leaves as it was opens still; what it changes opens to the new value', () => {
    const held = cache.list('secret');
    cache.replace(bundleOf(2, ['secret', 'kept', 1, 'same'], ['secret', 'changed', 2, 'new']));
    const [kept, changed, gone] = held;
    expect(kept && cache.open(kept).toString()).toBe('same');
    expect(changed && cache.open(changed).toString()).toBe('new');
    expect(() => gone && cache.open(gone)).toThrow(RangeError);
  });

  test('a secret that was deleted and made anew with the same version number is a change', () => {
    const changes = cache.replace(
      bundleOf(
        2,
        ['secret', 'kept', 1, 'other'],
        ['secret', 'changed', 1, 'old'],
        ['secret', 'gone', 1, 'x'],
      ),
    );
    expect(changes).toEqual([{ kind: 'secret', name: 'kept', version: 1, removed: false }]);
  });

  test('the plaintext that came in is zeroed', () => {
    const bundle = bundleOf(2, ['secret', 'kept', 1, 'same']);
    cache.replace(bundle);
    expect(bundle.entries.map(({ value }) => Buffer.from(value).toString('hex'))).toEqual([
      '00000000',
    ]);
  });

  test('a name that every object has as a property is nothing special', () => {
    cache.replace(bundleOf(2, ['secret', '__proto__', 1, 'p'], ['secret', 'constructor', 1, 'c']));
    const entry = cache.find('secret', '__proto__');
    expect(entry && cache.open(entry).toString()).toBe('p');
    expect(cache.find('secret', 'toString')).toBeUndefined();
  });

  test('after a wipe nothing is held and nothing opens', () => {
    const entry = cache.find('secret', 'kept');
    cache.wipe();
    expect(cache.revision()).toBeUndefined();
    expect(cache.list('secret')).toEqual([]);
    expect(cache.size()).toEqual({ entries: 0, bytes: 0 });
    expect(() => entry && cache.open(entry)).toThrow(RangeError);
  });

  test('[SG-33] a wipe overwrites what was sealed, and the keys', () => {
    const kinds = ['secret', 'plugin', 'certificate', 'reference'] as const;
    cache.replace(bundleOf(2, ...kinds.map((kind): Row => [kind, 'kept', 1, 'same'])));
    const sealed = kinds.flatMap((kind) => cache.list(kind)).map((entry) => sealedBytesOf(entry));
    expect(sealed.map(isZero)).toEqual([false, false, false, false]);
    expect(keys.map(isZero)).toEqual([false, false]);
    cache.wipe();
    expect(sealed.map(isZero)).toEqual([true, true, true, true]);
    expect(keys.map(isZero)).toEqual([true, true]);
  });

  test('a cache that holds nothing yet can be wiped', () => {
    expect(() => new ValueCache('0190').wipe()).not.toThrow();
  });

  test('[SG-33] what a revision replaces is overwritten, and what it leaves as it was is not', () => {
    const sealed = cache.list('secret').map((entry) => sealedBytesOf(entry));
    cache.replace(bundleOf(2, ['secret', 'kept', 1, 'same'], ['secret', 'changed', 2, 'new']));
    expect(sealed.map(isZero)).toEqual([false, true, true]);
    expect(keys.map(isZero)).toEqual([false, false]);
  });

  test('after a wipe the same revision can be taken in again, under other keys', () => {
    cache.wipe();
    cache.replace(bundleOf(1, ['secret', 'kept', 1, 'same']));
    expect(keys).toHaveLength(4);
    const entry = cache.find('secret', 'kept');
    expect(entry && cache.open(entry).toString()).toBe('same');
  });
});

import { beforeEach, describe, expect, test } from '@jest/globals';
import { createClock, type TestClock } from '@sallyport/testkit/clock';
import { ExpiringMap } from './expiring-map.ts';

let clock: TestClock;
let map: ExpiringMap<string>;
beforeEach(() => {
  clock = createClock();
  map = new ExpiringMap(clock, 2);
});

describe('what is remembered', () => {
  test('is there until its time and no longer', () => {
    map.set('a', 'x', clock.now() + 1000);
    clock.advance(999);
    expect(map.get('a')).toBe('x');
    clock.advance(1);
    expect(map.get('a')).toBeUndefined();
    expect(map.get('never')).toBeUndefined();
  });

  test('gives way, the oldest first, when there is no more room', () => {
    for (const key of ['a', 'b', 'c']) map.set(key, key, clock.now() + 1000);
    expect(['a', 'b', 'c'].map((key) => map.get(key))).toEqual([undefined, 'b', 'c']);
  });

  test('is young again when it is set anew', () => {
    for (const key of ['a', 'b', 'a', 'c']) map.set(key, key, clock.now() + 1000);
    expect(['a', 'b', 'c'].map((key) => map.get(key))).toEqual(['a', undefined, 'c']);
  });

  test('that has expired makes room before what has not', () => {
    map.set('short', 's', clock.now() + 10);
    map.set('long', 'l', clock.now() + 1000);
    clock.advance(10);
    map.set('new', 'n', clock.now() + 1000);
    expect(map.get('long')).toBe('l');
    expect(map.get('new')).toBe('n');
  });

  test('for long, by a clock that was ahead, keeps nothing else from being forgotten', () => {
    const unbounded = new ExpiringMap<string>(clock, Infinity);
    const startMs = clock.now();
    clock.advance(86_400_000);
    for (const key of ['a', 'b']) unbounded.set(key, key, clock.now() + 1000);
    clock.set(startMs);
    for (let at = 0; at < 10; at += 1) {
      unbounded.set(String(at), '', clock.now() + 1000);
      clock.advance(1000);
    }
    expect(unbounded.size).toBe(3);
    expect(['a', 'b'].map((key) => unbounded.get(key))).toEqual(['a', 'b']);
  });
});

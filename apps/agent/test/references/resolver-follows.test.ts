import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AgentError } from '../../src/agent-error.ts';
import { denied, notThere, unreachable } from '../../src/references/provider.ts';
import { ResolverAlone } from './resolver-alone.ts';

const CACHED_MS = 60_000;
/** With the most jitter that there is. */
const DUE_MS = 75_000;
let alone: ResolverAlone;
beforeEach(() => {
  alone = new ResolverAlone();
});
afterEach(() => alone.resolver.stop());

/** What has changed by the time that everything is due again. */
async function changedLater(): Promise<string[]> {
  alone.clock.advance(DUE_MS);
  return alone.lookAgain();
}

describe('[SG-04] [SG-12] a reference that is watched', () => {
  test('[AT-14] is not asked for before a program has read it, nor while its time runs, and once after that', async () => {
    await alone.lookAgain();
    expect(alone.source.calls).toBe(0);
    await alone.read();
    alone.clock.advance(DUE_MS - 1);
    await alone.lookAgain();
    expect(alone.source.calls).toBe(1);
    alone.clock.advance(1);
    await alone.lookAgain();
    await alone.lookAgain();
    expect(alone.source.calls).toBe(2);
  });

  test('[F-08] is asked for once either clock says so, as after a pause of the whole machine', async () => {
    await alone.read();
    alone.pausedMs = DUE_MS - 1;
    await alone.lookAgain();
    expect(alone.source.calls).toBe(1);
    alone.pausedMs = DUE_MS;
    alone.source.values.set('db', 'second');
    expect(await alone.lookAgain()).toEqual(['db']);
  });

  test('is asked for as if by a program: who reads it meanwhile puts that off, and is served what was found', async () => {
    await alone.read();
    alone.clock.advance(CACHED_MS);
    await alone.read();
    alone.clock.advance(DUE_MS - 1);
    await alone.lookAgain();
    expect(alone.source.calls).toBe(2);
    alone.clock.advance(1);
    await alone.lookAgain();
    await alone.read();
    expect(alone.source.calls).toBe(3);
  });

  test('is asked for at its time, and later by up to a quarter of that, each time anew', async () => {
    for (const [random, dueMs] of [
      [0, CACHED_MS],
      [0.5, 67_500],
    ] as const) {
      alone.reopen({ random: () => random });
      const before = alone.source.calls;
      await alone.read();
      alone.clock.advance(dueMs - 1);
      await alone.lookAgain();
      expect(alone.source.calls).toBe(before + 1);
      alone.clock.advance(1);
      await alone.lookAgain();
      expect(alone.source.calls).toBe(before + 2);
    }
  });

  test('is asked for at most every 30 s where its value is not to be held, and as often as is set for it', async () => {
    alone.reopen({
      cacheSeconds: 0,
      random: () => 0,
      freshness: [{ secrets: ['api'], cacheSeconds: 5 }],
    });
    alone.source.values.set('api', 'first');
    await alone.read();
    await alone.read('api');
    for (const [afterMs, calls] of [
      [4_999, 2],
      [1, 3],
      [24_999, 4],
      [1, 5],
    ] as const) {
      alone.clock.advance(afterMs);
      await alone.lookAgain();
      expect(alone.source.calls).toBe(calls);
    }
  });

  test('is asked for only if somebody watches it', async () => {
    alone.source.values.set('api', 'first');
    await alone.read();
    await alone.read('api');
    alone.clock.advance(DUE_MS);
    await alone.lookAgain((name) => name === 'api');
    expect(alone.source.calls).toBe(3);
  });

  test('is asked for beside others, a few at a time', async () => {
    for (let count = 0; count < 20; count += 1) {
      alone.source.values.set(`n${count}`, 'x');
      await alone.read(`n${count}`);
    }
    let release = () => {};
    alone.source.gate = new Promise((resolve) => (release = resolve));
    alone.clock.advance(DUE_MS);
    const looked = alone.lookAgain();
    release();
    await looked;
    expect(alone.source).toMatchObject({ calls: 40, mostAtOnce: 2 });
  });
});

describe('[SG-04] a change is told', () => {
  test('when there is another value, once, and not when it is the same', async () => {
    await alone.read();
    expect(await changedLater()).toEqual([]);
    alone.source.values.set('db', 'second');
    expect(await changedLater()).toEqual(['db']);
    expect(await alone.read()).toMatchObject({ value: 'second' });
    expect(await changedLater()).toEqual([]);
  });

  test('also when a program was the one to find it', async () => {
    const changed: string[] = [];
    alone.resolver.onChanged = ({ name }) => void changed.push(name);
    await alone.read();
    alone.source.values.set('db', 'second');
    alone.clock.advance(CACHED_MS);
    await alone.read();
    expect(changed).toEqual(['db']);
  });

  test('not by an outage, nor when the same value is back after it; another one is', async () => {
    await alone.read();
    alone.source.fault = unreachable('away');
    expect(await changedLater()).toEqual([]);
    alone.source.fault = undefined;
    expect(await changedLater()).toEqual([]);
    alone.source.fault = unreachable('away');
    expect(await changedLater()).toEqual([]);
    alone.source.fault = undefined;
    alone.source.values.set('db', 'second');
    expect(await changedLater()).toEqual(['db']);
  });

  test.each([
    ['gone', notThere('gone', 'write it')],
    ['denied', denied('no', 'ask')],
  ])(
    'not when it is %s, but when there is one again, since programs may have been told so',
    async (_, fault) => {
      await alone.read();
      alone.source.fault = fault;
      expect(await changedLater()).toEqual([]);
      alone.source.fault = undefined;
      expect(await changedLater()).toEqual(['db']);
      expect(await changedLater()).toEqual([]);
    },
  );

  test('[SG-34] not while its provider asks to be left alone, which it is', async () => {
    await alone.read();
    alone.source.fault = new AgentError('reference.rate_limited', 'slowly', {
      retryable: true,
      retryAfterMs: 2 * DUE_MS,
    });
    await changedLater();
    expect(alone.source.calls).toBe(2);
    await changedLater();
    expect(alone.source.calls).toBe(2);
    alone.source.fault = undefined;
    alone.source.values.set('db', 'second');
    alone.clock.advance(DUE_MS);
    expect(await changedLater()).toEqual(['db']);
    expect(alone.source.calls).toBe(3);
  });

  test.each([
    ['dropped', () => alone.resolver.drop('db')],
    ['wiped with everything', () => alone.resolver.wipe()],
  ])('no more once the reference is %s: it is not even asked for', async (_, forget) => {
    await alone.read();
    forget();
    await changedLater();
    expect(alone.source.calls).toBe(1);
  });
});

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AgentError } from '../../src/agent-error.ts';
import { denied, notThere, turnedAway, unreachable } from '../../src/references/provider.ts';
import { ResolverAlone } from './resolver-alone.ts';

let alone: ResolverAlone;
beforeEach(() => {
  alone = new ResolverAlone();
});
afterEach(() => alone.resolver.stop());

describe('[SG-32] [SG-34] the value of a reference', () => {
  test('is asked for once by 1,000 reads at a time, and again by none of the 1,000 after them', async () => {
    let release = () => {};
    alone.source.gate = new Promise((resolve) => (release = resolve));
    const reads = Promise.all(Array.from({ length: 1_000 }, () => alone.read()));
    release();
    expect(new Set((await reads).map(({ value }) => value))).toEqual(new Set(['first']));
    for (let count = 0; count < 1_000; count += 1) await alone.read();
    expect(alone.source.calls).toBe(1);
    expect(alone.resolver.states()).toMatchObject([{ calls: 1, failures: 0, hits: 1_000 }]);
  });

  test('[AT-14] is not asked for before it is read', () => {
    expect(alone.source.calls).toBe(0);
    expect(alone.resolver.states()).toEqual([]);
  });

  test('[SG-12] [SG-32] is served to the last moment of its time, and fetched anew then', async () => {
    await alone.read();
    alone.source.values.set('db', 'second');
    alone.clock.advance(59_999);
    expect(await alone.read()).toMatchObject({ value: 'first', ageSeconds: 59, isStale: false });
    alone.clock.advance(1);
    expect(await alone.read()).toMatchObject({ value: 'second', ageSeconds: 0 });
  });

  test('[F-08] [SG-32] is over once either clock says so, as after a pause of the whole machine', async () => {
    await alone.read();
    alone.pausedMs = 59_999;
    expect(await alone.read()).toMatchObject({ ageSeconds: 59 });
    alone.pausedMs = 60_000;
    alone.source.fault = unreachable('away');
    expect(await alone.tried()).toMatchObject({ code: 'reference.unreachable' });
  });

  test('is as old as the question, not as the answer', async () => {
    let release = () => {};
    alone.source.gate = new Promise((resolve) => (release = resolve));
    const first = alone.read();
    alone.clock.advance(50_000);
    release();
    expect(await first).toMatchObject({ ageSeconds: 50 });
    alone.source.gate = undefined;
    alone.clock.advance(10_000);
    await alone.read();
    expect(alone.source.calls).toBe(2);
  });

  test('is never served after its time while the provider does not answer', async () => {
    await alone.read();
    alone.clock.advance(60_000);
    alone.source.fault = unreachable('away');
    expect(await alone.tried()).toMatchObject({ code: 'reference.unreachable' });
  });

  test('is served for staleSeconds more where that is set, marked, and not longer', async () => {
    alone.reopen({ staleSeconds: 30 });
    await alone.read();
    alone.source.fault = unreachable('away');
    alone.clock.advance(89_999);
    expect(await alone.read()).toMatchObject({ value: 'first', ageSeconds: 89, isStale: true });
    alone.clock.advance(1);
    expect(await alone.tried()).toMatchObject({ code: 'reference.unreachable' });
  });

  test.each([
    ['denied', denied('no', 'ask')],
    ['gone', notThere('gone', 'write it')],
    ['kept from this agent', turnedAway('it', 'references')],
  ])('is not served as stale once it is %s', async (_, fault) => {
    alone.reopen({ staleSeconds: 3_600 });
    await alone.read();
    alone.clock.advance(60_000);
    alone.source.fault = fault;
    expect(await alone.tried()).toMatchObject({ code: fault.code });
    alone.source.fault = unreachable('away');
    alone.clock.advance(30_000);
    expect(await alone.tried()).toMatchObject({ code: 'reference.unreachable' });
  });

  test('is served as stale while a file of credentials on this host cannot be read, which says nothing of the provider', async () => {
    alone.reopen({ staleSeconds: 30 });
    await alone.read();
    alone.clock.advance(60_000);
    alone.source.fault = new AgentError('token_file.unusable', 'no file', { retryable: true });
    expect(await alone.read()).toMatchObject({ value: 'first', isStale: true });
    expect(alone.resolver.states()).toMatchObject([{ failing: undefined }]);
    alone.source.fault = undefined;
    alone.source.values.set('db', 'second');
    expect(await alone.read()).toMatchObject({ value: 'second' });
  });

  test('is asked for each time where it is not to be held', async () => {
    alone.reopen({ cacheSeconds: 0 });
    await alone.read();
    await alone.read();
    expect(alone.source.calls).toBe(2);
  });

  test('has an etag of its own, which is the same while the value is', async () => {
    const { etag } = await alone.read();
    alone.clock.advance(60_000);
    expect((await alone.read()).etag).toBe(etag);
    alone.source.values.set('db', 'second');
    alone.clock.advance(60_000);
    expect((await alone.read()).etag).not.toBe(etag);
  });

  test('is another one once the reference is', async () => {
    await alone.read();
    alone.source.values.set('db', 'second');
    expect(await alone.read('db', '"2-b"')).toMatchObject({ value: 'second' });
    expect(alone.source.calls).toBe(2);
  });
});

describe('[SG-32] [SG-39] the values of references that have times of their own', () => {
  beforeEach(async () => {
    alone.reopen({
      cacheSeconds: 60,
      freshness: [
        { secrets: ['db'], cacheSeconds: 5, staleSeconds: 600 },
        { secrets: ['api', 'db'], staleSeconds: 30 },
      ],
    });
    for (const name of ['api', 'other']) alone.source.values.set(name, 'first');
    for (const name of ['db', 'api', 'other']) await alone.read(name);
    for (const name of ['db', 'api', 'other']) alone.source.values.set(name, 'second');
  });

  test('are asked for again by those', async () => {
    alone.clock.advance(4_999);
    expect(await alone.read('db')).toMatchObject({ value: 'first' });
    alone.clock.advance(1);
    expect(await alone.read('db')).toMatchObject({ value: 'second' });
    for (const name of ['api', 'other'])
      expect(await alone.read(name)).toMatchObject({ value: 'first' });
    expect(alone.source.calls).toBe(4);
    alone.clock.advance(55_000);
    for (const name of ['api', 'other'])
      expect(await alone.read(name)).toMatchObject({ value: 'second' });
  });

  test('are served as stale only where they may be, marked, and for so long', async () => {
    alone.source.fault = unreachable('away');
    alone.clock.advance(89_999);
    for (const name of ['db', 'api'])
      expect(await alone.read(name)).toMatchObject({ ageSeconds: 89, isStale: true });
    expect(await alone.tried('other')).toMatchObject({ code: 'reference.unreachable' });
    alone.clock.advance(1);
    expect(await alone.tried('api')).toMatchObject({ code: 'reference.unreachable' });
    alone.clock.advance(514_999);
    expect(await alone.read('db')).toMatchObject({ ageSeconds: 604, isStale: true });
    alone.clock.advance(1);
    expect(await alone.tried('db')).toMatchObject({ code: 'reference.unreachable' });
  });

  test('are dropped from memory by those, each', async () => {
    const held = await Promise.all(['db', 'api', 'other'].map((name) => alone.read(name)));
    const isThere = () => held.map(({ open }) => opens(open));
    for (const [afterMs, there] of [
      [59_999, [true, true, true]],
      [1, [true, true, false]],
      [30_000, [true, false, false]],
      [515_000, [false, false, false]],
    ] as const) {
      alone.clock.advance(afterMs);
      await alone.resolver.refresh();
      expect(isThere()).toEqual(there);
    }
  });
});

function opens(open: () => string): boolean {
  try {
    return open() === 'first';
  } catch {
    return false;
  }
}

describe('[SG-33] of a value in memory', () => {
  test('the plaintext is zeroed once it is sealed', async () => {
    await alone.read();
    expect(alone.source.given.map((buffer) => buffer.every((byte) => byte === 0))).toEqual([true]);
  });

  test.each([
    ['dropped', () => alone.resolver.drop('db')],
    ['wiped', () => alone.resolver.wipe()],
    [
      'too old',
      () => {
        alone.clock.advance(60_000);
        return alone.resolver.refresh();
      },
    ],
  ])('nothing can be opened when it is %s, and nothing comes back', async (_, forget) => {
    const held = await alone.read();
    await Promise.resolve(forget());
    expect(() => held.open()).toThrow('has just changed');
    alone.source.values.set('db', 'second');
    expect(await alone.read()).toMatchObject({ value: 'second' });
  });

  test('what was under way when everything was wiped is not held', async () => {
    let release = () => {};
    alone.source.gate = new Promise((resolve) => (release = resolve));
    const reading = alone.tried();
    alone.resolver.wipe();
    release();
    expect(await reading).toMatchObject({ code: 'agent.not_ready' });
    expect(alone.source.given.map((buffer) => buffer.every((byte) => byte === 0))).toEqual([true]);
  });

  test('the keys are where those of delivered values are, and zeroed when everything is forgotten', async () => {
    const made: Uint8Array[] = [];
    const { keyMemory } = alone;
    const make = keyMemory.make.bind(keyMemory);
    keyMemory.make = () => {
      const key = make();
      made.push(key);
      return key;
    };
    await alone.read();
    expect(made.map((key) => key.some((byte) => byte !== 0))).toEqual([true, true]);
    alone.resolver.wipe();
    expect(made.map((key) => key.every((byte) => byte === 0))).toEqual([true, true]);
  });

  test('so many are held, and no more', async () => {
    for (let count = 0; count <= 1_000; count += 1) {
      alone.source.values.set(`n${count}`, 'x');
      await alone.read(`n${count}`);
    }
    expect(alone.source.calls).toBe(1_001);
    await alone.read('n1000');
    await alone.read('n1');
    expect(alone.source.calls).toBe(1_001);
    await alone.read('n0');
    expect(alone.source.calls).toBe(1_002);
  });
});

describe('[SG-34] a provider that says no', () => {
  test('is not asked for the same within seconds, and is after them', async () => {
    for (let count = 0; count < 100; count += 1)
      expect(await alone.tried('gone')).toMatchObject({ code: 'reference.not_found' });
    expect(alone.source.calls).toBe(1);
    alone.source.values.set('gone', 'there');
    alone.clock.advance(5_000);
    expect(await alone.read('gone')).toMatchObject({ value: 'there' });
  });

  test('is asked for the rest', async () => {
    await alone.tried('gone');
    expect(await alone.read()).toMatchObject({ value: 'first' });
  });

  test('is asked at once when the reference changes', async () => {
    await alone.tried('gone');
    alone.source.values.set('gone', 'there');
    expect(await alone.read('gone', '"2-b"')).toMatchObject({ value: 'there' });
  });

  test('is logged once, by the name of the secret', async () => {
    for (let count = 0; count < 3; count += 1) {
      await alone.tried('gone');
      alone.clock.advance(5_000);
    }
    expect(alone.log).toEqual([expect.stringContaining('"name":"gone"')]);
  });
});

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Circuit } from '../../src/references/circuit.ts';
import { limited, unreachable } from '../../src/references/provider.ts';
import { ResolverAlone } from './resolver-alone.ts';

let alone: ResolverAlone;
beforeEach(() => {
  alone = new ResolverAlone();
});
afterEach(() => alone.resolver.stop());

describe('[SG-34] a provider that does not answer', () => {
  test('is left alone for longer and longer, then asked by one, and well when it answers', async () => {
    alone.source.fault = unreachable('away');
    const asked: number[] = [];
    for (let at = 0; at < 60_000; at += 250) {
      const before = alone.source.calls;
      await alone.tried();
      if (alone.source.calls > before) asked.push(at);
      alone.clock.advance(250);
    }
    expect(asked).toEqual([0, 250, 750, 1_750, 3_750, 7_750, 15_750, 31_750]);
    expect(alone.resolver.states()).toMatchObject([{ failing: { code: 'reference.unreachable' } }]);
    alone.source.fault = undefined;
    alone.clock.advance(30_000);
    expect(await alone.read()).toMatchObject({ value: 'first' });
    expect(alone.resolver.states()).toMatchObject([{ failing: undefined }]);
  });

  test('by a random part of that, so that not all hosts ask at once', async () => {
    alone.reopen({ random: () => 0.5 });
    alone.source.fault = unreachable('away');
    await alone.tried();
    alone.clock.advance(124);
    await alone.tried();
    expect(alone.source.calls).toBe(1);
    alone.clock.advance(1);
    await alone.tried();
    expect(alone.source.calls).toBe(2);
  });

  test('and says for how long is left alone for as long, whatever is read', async () => {
    alone.source.values.set('other', 'x');
    alone.source.fault = limited('it', 20_000);
    expect(await alone.tried()).toMatchObject({ retryAfterMs: 20_000 });
    alone.clock.advance(5_000);
    const refused = await alone.tried('other');
    expect(refused).toMatchObject({ code: 'reference.rate_limited', retryAfterMs: 15_250 });
    alone.source.fault = undefined;
    alone.clock.advance(15_249);
    await alone.tried('other');
    expect(alone.source.calls).toBe(1);
    alone.clock.advance(1);
    expect(await alone.read('other')).toMatchObject({ value: 'x' });
  });

  test('is tried by one read, while the others are refused', async () => {
    for (let count = 0; count < 10; count += 1) alone.source.values.set(`n${count}`, 'x');
    alone.source.fault = unreachable('away');
    await alone.tried();
    alone.clock.advance(250);
    let release = () => {};
    alone.source.gate = new Promise((resolve) => (release = resolve));
    const reads = Array.from({ length: 10 }, (_, index) => alone.tried(`n${index}`));
    alone.source.fault = undefined;
    release();
    const values = await Promise.all(reads);
    expect(alone.source.calls).toBe(2);
    expect(values.filter(({ code }) => code === 'none')).toHaveLength(1);
  });

  test('is logged when it begins to fail and when it answers again', async () => {
    alone.source.fault = unreachable('away');
    await alone.tried();
    alone.clock.advance(30_000);
    await alone.tried();
    alone.source.fault = undefined;
    alone.clock.advance(30_000);
    await alone.read();
    expect(alone.log).toEqual([
      expect.stringMatching(/fails .*exec:\/\//),
      expect.stringMatching(/answers again .*exec:\/\//),
    ]);
  });

  test('keeps nobody waiting for longer than is set', async () => {
    alone.reopen({ timeoutSeconds: 1 });
    alone.source.gate = new Promise(() => {});
    expect(await alone.tried()).toMatchObject({
      code: 'reference.unreachable',
      message: expect.stringContaining('within 1 s'),
    });
  });
});

describe('[SG-34] a provider that never comes back', () => {
  beforeEach(() => {
    alone.reopen({ timeoutSeconds: 1 });
    alone.source.gate = new Promise(() => {});
    for (let count = 0; count < 10; count += 1) alone.source.values.set(`n${count}`, 'x');
  });

  test('is noted and logged, and tried again', async () => {
    await alone.tried();
    expect(alone.resolver.states()).toMatchObject([
      { calls: 1, failures: 1, failing: { code: 'reference.unreachable' } },
    ]);
    expect(alone.log).toEqual([expect.stringMatching(/fails .*exec:\/\//)]);
    alone.source.gate = undefined;
    alone.clock.advance(30_000);
    expect(await alone.read()).toMatchObject({ value: 'first' });
    expect(alone.log).toHaveLength(2);
  });

  test('gives back half of the places, and takes no more calls than there are places', async () => {
    await Promise.all(['n0', 'n1', 'n2'].map((name) => alone.tried(name)));
    expect(alone.source.calls).toBe(3);
    alone.clock.advance(30_000);
    await alone.tried('n3');
    alone.clock.advance(60_000);
    expect(await alone.tried('n4')).toMatchObject({ code: 'reference.unreachable' });
    expect(alone.source.calls).toBe(4);
  });
});

describe('[SG-34] many references at a time', () => {
  test('are asked for a few at a time, and all get their value', async () => {
    const names = Array.from({ length: 100 }, (_, index) => `n${index}`);
    for (const name of names) alone.source.values.set(name, name);
    const values = await Promise.all(names.map((name) => alone.read(name)));
    expect(values.map(({ value }) => value)).toEqual(names);
    expect(alone.source.mostAtOnce).toBe(4);
  });

  test('wait up to a number; what is more is told to come back', async () => {
    let release = () => {};
    alone.source.gate = new Promise((resolve) => (release = resolve));
    const names = Array.from({ length: 261 }, (_, index) => `n${index}`);
    for (const name of names) alone.source.values.set(name, name);
    const reads = names.map((name) => alone.tried(name));
    expect(await reads.at(-1)).toMatchObject({ code: 'agent.busy' });
    release();
    const codes = (await Promise.all(reads)).map((found) => 'code' in found && found.code);
    expect(codes.filter((code) => code === 'agent.busy')).toHaveLength(1);
  });

  test('are not asked for any more once the provider says to come back', async () => {
    alone.source.fault = limited('it', 20_000);
    const names = Array.from({ length: 200 }, (_, index) => `n${index}`);
    const codes = (await Promise.all(names.map((name) => alone.tried(name)))).map(
      ({ code }) => code,
    );
    expect(new Set(codes)).toEqual(new Set(['reference.rate_limited']));
    expect(alone.source.calls).toBe(4);
    // One failure of several at a time counts.
    alone.clock.advance(20_250);
    alone.source.fault = undefined;
    expect(await alone.tried()).toMatchObject({ value: 'first' });
  });

  test('that wait for a place too long leave the queue, and say nothing of the provider', async () => {
    const changes: unknown[] = [];
    const circuit = new Circuit({
      clock: { now: () => 0, monotonic: () => 0 },
      random: () => 1,
      atOnce: 1,
      late: () => unreachable('late'),
      onChange: (failing) => changes.push(failing),
    });
    let release = () => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const call = () => gate.then(() => Buffer.from('x'));
    const never = new AbortController().signal;
    const first = circuit.run(call, never);
    const impatient = new AbortController();
    const second = circuit.run(call, impatient.signal);
    const third = circuit.run(call, never);
    impatient.abort();
    await expect(second).rejects.toMatchObject({ code: 'agent.busy' });
    release();
    expect((await Promise.all([first, third])).map(String)).toEqual(['x', 'x']);
    expect([circuit.failing, changes]).toEqual([undefined, []]);
  });

  test('that hang keep their places until they come back, and no longer', async () => {
    let nowMs = 0;
    const circuit = new Circuit({
      clock: { now: () => nowMs, monotonic: () => nowMs },
      random: () => 1,
      atOnce: 1,
      late: () => unreachable('late'),
      onChange: () => {},
    });
    let release = () => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    let asked = 0;
    const call = async () => {
      asked += 1;
      await gate;
      return Buffer.from('x');
    };
    const impatient = new AbortController();
    const first = circuit.run(call, impatient.signal);
    impatient.abort();
    const late = { code: 'reference.unreachable' };
    await expect(first).rejects.toMatchObject(late);
    // As long as a provider is ever left alone.
    nowMs += 600_000;
    const never = new AbortController().signal;
    await expect(circuit.run(call, never)).rejects.toMatchObject(late);
    expect(asked).toBe(1);
    release();
    await new Promise(setImmediate);
    expect(String(await circuit.run(call, never))).toBe('x');
  });
});

import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import { open, seal } from '@sallyport/crypto/envelope';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { expectNoLeftovers, startProcess } from '@sallyport/testkit/process';
import { KeyMemory } from './key-memory.ts';

afterAll(() => expectNoLeftovers());

const PLACE = { table: 't', row: 'r', field: 'f', group: 'g', keyVersion: 1 };

describe.each([
  ['locked where the host allows it', () => KeyMemory.locked()],
  ['like any other', () => KeyMemory.ordinary()],
])('[SG-33] memory of keys, %s', (_, openMemory) => {
  let memory: KeyMemory;
  beforeEach(() => {
    memory = openMemory();
  });

  test('gives keys that differ, and that seal and open', () => {
    const [one, other] = [memory.make(), memory.make()];
    expect(Buffer.compare(one, other)).not.toBe(0);
    const sealed = seal(one, Buffer.from('value'), PLACE);
    expect(open(one, sealed, PLACE).toString()).toBe('value');
    expect(() => open(other, sealed, PLACE)).toThrow(
      expect.objectContaining({ code: 'envelope.unreadable' }),
    );
  });

  test('zeroes a key where it was when it is moved here, and here when it is given back', () => {
    const key = Buffer.alloc(32, 7);
    const kept = memory.adopt(key);
    expect([key, Buffer.from(kept)]).toEqual([Buffer.alloc(32), Buffer.alloc(32, 7)]);
    memory.release(kept);
    expect(Buffer.from(kept)).toEqual(Buffer.alloc(32));
  });

  test('never has two keys in one place, however many there are', () => {
    const held = Array.from({ length: 3_000 }, () => memory.make());
    for (const key of held.splice(1_000, 1_000)) memory.release(key);
    held.push(...Array.from({ length: 1_500 }, () => memory.make()));
    for (const [index, key] of held.entries())
      Buffer.from(key.buffer, key.byteOffset, 32).writeUInt32LE(index);
    expect(held.map((key) => Buffer.from(key).readUInt32LE())).toEqual([...held.keys()]);
  });
});

const why = process.platform === 'linux' ? undefined : 'this is not Linux';
(why === undefined ? test : test.skip)(
  titleOrLeftOut('[SG-33] says why keys are not locked where the host locks no memory', why),
  async () => {
    const module = new URL('key-memory.ts', import.meta.url).href;
    const script = `
      import { KeyMemory } from '${module}';
      const memory = KeyMemory.locked();
      console.log(memory.unlockedBecause, memory.make().length);`;
    // Root may lock as much as it likes, but for this capability.
    const without = ['setpriv', '--bounding-set=-ipc_lock', '--inh-caps=-ipc_lock'];
    const asked = startProcess({
      command: [
        ...(process.getuid?.() === 0 ? without : []),
        ...['sh', '-c', 'ulimit -l 0 && exec "$@"', 'sh'],
        ...[process.execPath, '--input-type=module', '--eval', script],
      ],
    });
    expect(await asked.exited).toEqual({ code: 0, signal: null });
    expect(asked.stdout).toEqual(['the host locks no memory for this user (RLIMIT_MEMLOCK) 32']);
    expect(asked.stderr.join('\n')).not.toMatch(/ffi|experimental/i);
  },
);

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { SharedBodies } from './shared-bodies.ts';

let bodies: SharedBodies;
beforeEach(() => {
  bodies = new SharedBodies();
});
afterEach(() => bodies.forget());

const made =
  (text = 'plaintext') =>
  () =>
    Buffer.from(text);
const isZero = (bytes: Buffer) => bytes.every((byte) => byte === 0);

describe('[SG-33] the plaintext of a reply', () => {
  test('[SG-34] is opened once for many that ask at the same time', () => {
    const first = bodies.lend('a', made());
    const again = bodies.lend('a', () => {
      throw new Error('opened twice');
    });
    expect(again.bytes).toBe(first.bytes);
    expect(bodies.lend('b', made('other')).bytes).not.toBe(first.bytes);
  });

  test('is zeroed by itself within moments of the last reader', async () => {
    const { bytes, release } = bodies.lend('a', made());
    release();
    while (!isZero(bytes)) await new Promise((resolve) => setImmediate(resolve));
    expect(bodies.lend('a', made('new')).bytes.toString()).toBe('new');
  });

  test('stays whole for a reader that takes long, and is zeroed then', () => {
    const slow = bodies.lend('a', made());
    const fast = bodies.lend('a', made());
    fast.release();
    bodies.forget();
    expect(slow.bytes.toString()).toBe('plaintext');
    slow.release();
    expect(isZero(slow.bytes)).toBe(true);
  });

  test('is forgotten at once when the agent is revoked or stops', () => {
    const { bytes, release } = bodies.lend('a', made());
    release();
    bodies.forget();
    expect(isZero(bytes)).toBe(true);
  });

  test('of more than is shared together is its reader’s alone', () => {
    const large = () => Buffer.alloc(5 * 1024 * 1024, 1);
    const first = bodies.lend('large', large);
    expect(bodies.lend('large', large).bytes).not.toBe(first.bytes);
    first.release();
    expect(isZero(first.bytes)).toBe(true);
  });
});

import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { decodeHighWater, deriveHighWaterKey, encodeHighWater } from './high-water.ts';

const key = deriveHighWaterKey(randomBytes(32), 'agent-1');
const mark = { revision: 7, contactAtMs: 1_900_000_000_000 };
const text = encodeHighWater(mark, key);

describe('[F-04] the high-water mark', () => {
  test('is read back by the agent that wrote it', () => {
    expect(decodeHighWater(Buffer.from(text), key)).toEqual(mark);
  });

  test.each([
    ['a lower revision', text.replace('"revision":7', '"revision":6')],
    ['another time', text.replace('1900000000000', '1900000000001')],
    [
      'a changed MAC',
      text.replace(/"mac":"./, (start) => `"mac":"${start.endsWith('A') ? 'B' : 'A'}`),
    ],
    ['no MAC', text.replace(/,"mac":"[^"]*"/, '')],
    ['a short MAC', text.replace(/"mac":"[^"]*"/, '"mac":"AAAA"')],
    ['half of its bytes', text.slice(0, text.length / 2)],
    ['no bytes', ''],
  ])('is not believed with %s', (_, changed) => {
    expect(changed).not.toBe(text);
    expect(decodeHighWater(Buffer.from(changed), key)).toBeUndefined();
  });

  test('of another agent is not believed', () => {
    expect(
      decodeHighWater(Buffer.from(text), deriveHighWaterKey(randomBytes(32), 'agent-1')),
    ).toBeUndefined();
  });

  test('has a key that differs by agent and by private key', () => {
    const privateKey = randomBytes(32);
    expect(deriveHighWaterKey(privateKey, 'a')).not.toEqual(deriveHighWaterKey(privateKey, 'b'));
    expect(deriveHighWaterKey(privateKey, 'a')).toEqual(deriveHighWaterKey(privateKey, 'a'));
  });
});

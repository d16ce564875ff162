import { describe, expect, test } from '@jest/globals';
import { encryptionPublicKey, signingPublicKey, verificationKeys } from './public-keys.ts';

const point = 'A'.repeat(43);
const kinds = [
  {
    name: 'signing',
    schema: signingPublicKey,
    key: { kty: 'OKP', crv: 'Ed25519', x: point },
    otherCurve: 'X25519',
  },
  {
    name: 'encryption',
    schema: encryptionPublicKey,
    key: { kty: 'OKP', crv: 'X25519', x: point },
    otherCurve: 'Ed25519',
  },
];

describe.each(kinds)('the public $name key of an agent', ({ schema, key, otherCurve }) => {
  test('is accepted', () => {
    expect(schema.parse(key)).toEqual(key);
  });

  test.each(['A', 'E', '8', 'w'])('may end in %s, whose last two bits are zero', (last) => {
    expect(schema.safeParse({ ...key, x: `${point.slice(1)}${last}` }).success).toBe(true);
  });

  test('[AX-21] is refused, not trimmed, when the private key comes with it', () => {
    expect(schema.safeParse({ ...key, d: point }).success).toBe(false);
  });

  test.each([
    ['of the other curve', { crv: otherCurve }],
    ['of another type', { kty: 'EC' }],
    ['that is too short', { x: point.slice(1) }],
    ['that is too long', { x: `${point}A` }],
    ['in base64', { x: `${point.slice(1)}+` }],
    ['with a line end', { x: `${point}\n` }],
    ['whose left-over bits are not zero', { x: `${point.slice(1)}B` }],
    ['that is missing', { x: undefined }],
    ['with a purpose', { use: 'sig' }],
  ])('%s is refused', (_, change) => {
    expect(schema.safeParse({ ...key, ...change }).success).toBe(false);
  });
});

describe('the verification keys of a control plane', () => {
  const key = { kty: 'OKP', crv: 'Ed25519', x: point, kid: 'one' };

  test('are one to sixteen, each with its name', () => {
    expect(verificationKeys.safeParse({ keys: [key] }).success).toBe(true);
    expect(verificationKeys.safeParse({ keys: Array(16).fill(key) }).success).toBe(true);
    for (const keys of [[], Array(17).fill(key), [{ ...key, kid: undefined }]]) {
      expect(verificationKeys.safeParse({ keys }).success).toBe(false);
    }
  });

  test('[AX-21] are refused when one of them is private', () => {
    expect(verificationKeys.safeParse({ keys: [key, { ...key, d: point }] }).success).toBe(false);
  });
});

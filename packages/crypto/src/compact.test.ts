import { createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { CompactEncrypt, CompactSign } from 'jose';
import { openCompactJwe, verifyCompactJws } from './compact.ts';

const key = randomBytes(32);
const segment = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('a compact JWE', () => {
  const seal = async (plaintext: Uint8Array, header: Record<string, unknown> = {}) =>
    new CompactEncrypt(plaintext)
      .setProtectedHeader({ alg: 'A256KW', enc: 'A256GCM', ...header })
      .encrypt(key);

  test.each([0, 1, 2, 3, 16, 1000])('of %i bytes, sealed by the library, opens', async (size) => {
    const plaintext = randomBytes(size);
    expect(openCompactJwe(await seal(plaintext), key).equals(plaintext)).toBe(true);
  });

  test('does not open when its header asks for what is not understood', async () => {
    const [, ...rest] = (await seal(Buffer.from('x'))).split('.');
    for (const header of [
      { alg: 'A256KW', enc: 'A256GCM', zip: 'DEF' },
      { alg: 'A256KW', enc: 'A256GCM', crit: ['exp'] },
      { alg: 'dir', enc: 'A256GCM' },
      { alg: 'A256KW', enc: 'A128GCM' },
      ['A256KW'],
      null,
    ])
      expect(() => openCompactJwe([segment(header), ...rest].join('.'), key)).toThrow();
  });

  test('does not open when it was sealed with what is not understood', async () => {
    const sealed = await new CompactEncrypt(Buffer.from('x'))
      .setProtectedHeader({ alg: 'A256KW', enc: 'A256GCM', crit: ['later'], later: true })
      .encrypt(key, { crit: { later: true } });
    expect(() => openCompactJwe(sealed, key)).toThrow('an extension is not understood');
  });

  test.each([
    ['nonce', 2],
    ['tag', 4],
  ])('does not open with a %s that was cut short', async (_, at) => {
    const segments = (await seal(Buffer.from('x'))).split('.');
    const cut = Buffer.from(segments[at] ?? '', 'base64url').subarray(0, -1);
    const short = segments.with(at, cut.toString('base64url')).join('.');
    expect(() => openCompactJwe(short, key)).toThrow('the nonce or the tag has another size');
  });
});

describe('a compact JWS', () => {
  const pair = generateKeyPairSync('ed25519');
  const publicKey = createPublicKey(pair.privateKey);
  const verify = (jws: string) => verifyCompactJws(Buffer.from(jws), 'x', () => publicKey);

  test.each([0, 1, 2, 3, 64, 1001])(
    'of %i bytes, signed by the library, verifies',
    async (size) => {
      const payload = randomBytes(size);
      const jws = await new CompactSign(payload)
        .setProtectedHeader({ alg: 'EdDSA', typ: 'x' })
        .sign(pair.privateKey);
      expect(verify(jws).equals(payload)).toBe(true);
    },
  );

  test.each([
    ['no signature', (input: string) => `${input}.`],
    [
      'a signature of something else',
      (input: string) =>
        `${input}.${sign(null, Buffer.from(`${input}A`), pair.privateKey).toString('base64url')}`,
    ],
  ])('with %s is refused', (_, signed) => {
    const input = `${segment({ alg: 'EdDSA', typ: 'x' })}.${segment('payload')}`;
    expect(() => verify(signed(input))).toThrow('the signature is wrong');
  });

  test.each([
    ['an extension that is not understood', { crit: ['later'], later: true }],
    ['a payload that is said to be compressed', { zip: 'DEF' }],
  ])('signed with %s is refused', (_, more) => {
    const input = `${segment({ alg: 'EdDSA', typ: 'x', ...more })}.${segment('payload')}`;
    const signature = sign(null, Buffer.from(input), pair.privateKey).toString('base64url');
    expect(() => verify(`${input}.${signature}`)).toThrow('an extension is not understood');
  });

  test.each(['', segment({}), `${segment({})}.${segment('payload')}`])(
    '%j is none: it has not three segments',
    (jws) => {
      expect(() => verify(jws)).toThrow('not three segments');
    },
  );

  test('signed, but with a payload that is not base64url, is refused', () => {
    const input = `${segment({ alg: 'EdDSA', typ: 'x' })}.ab+c`;
    const signature = sign(null, Buffer.from(input), pair.privateKey).toString('base64url');
    expect(() => verify(`${input}.${signature}`)).toThrow('not base64url');
  });

  test('leaves nothing of its payload behind its end', () => {
    const input = `${segment({ alg: 'EdDSA', typ: 'x' })}.${Buffer.from('canary-4711').toString('base64url')}`;
    const signature = sign(null, Buffer.from(input), pair.privateKey).toString('base64url');
    const jws = Buffer.from(`${input}.${signature}`);
    const payload = verifyCompactJws(jws, 'x', () => publicKey);
    expect(payload.toString()).toBe('canary-4711');
    payload.fill(0);
    expect(jws.includes(Buffer.from('canary-4711').toString('base64url').slice(-4))).toBe(false);
  });
});

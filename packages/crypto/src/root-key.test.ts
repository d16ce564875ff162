import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { generateRootKey, parseRootKey, rootKeyFingerprint } from './root-key.ts';

const key = Buffer.from('fbff00112233445566778899aabbccddeeff00112233445566778899aabbccdd', 'hex');
const malformed = expect.objectContaining({ name: 'CryptoError', code: 'root_key.malformed' });

describe('root keys', () => {
  test.each([
    ['hex', key.toString('hex')],
    ['upper-case hex', key.toString('hex').toUpperCase()],
    ['base64', key.toString('base64')],
    ['base64 without padding', key.toString('base64').replace('=', '')],
    ['base64url', key.toString('base64url')],
    ['base64url and a line end', `${key.toString('base64url')}\n`],
  ])('32 bytes are read from %s', (_, text) => {
    expect(Buffer.from(parseRootKey(text))).toEqual(key);
  });

  test.each([
    ['nothing', ''],
    ['31 bytes', key.subarray(1).toString('base64url')],
    ['33 bytes', Buffer.concat([key, Buffer.of(1)]).toString('base64url')],
    ['63 hex digits', key.toString('hex').slice(1)],
    [
      'a space inside',
      `${key.toString('base64url').slice(0, 20)} ${key.toString('base64url').slice(20)}`,
    ],
    ['a passphrase', 'correct horse battery staple and 16 more'],
  ])('%s is refused, without the text', (_, text) => {
    expect(() => parseRootKey(text)).toThrow(malformed);
    if (text !== '') expect(() => parseRootKey(text)).not.toThrow(text);
  });

  test('a generated key is read back, and no two are the same', () => {
    expect(parseRootKey(generateRootKey())).toHaveLength(32);
    expect(generateRootKey()).not.toBe(generateRootKey());
  });

  test('[A7-10] the fingerprint tells one key from another and nothing of the key', () => {
    const fingerprint = rootKeyFingerprint(key);
    expect(fingerprint).toMatch(/^[0-9a-f]{16}$/);
    expect(fingerprint).toBe(rootKeyFingerprint(Uint8Array.from(key)));
    expect(fingerprint).not.toBe(rootKeyFingerprint(randomBytes(32)));
    expect(key.toString('hex')).not.toContain(fingerprint);
  });
});

import { describe, expect, test } from '@jest/globals';
import { describeTotp, generateTotpSecret, matchTotp, totpCode, totpStep } from './totp.ts';

/** RFC 6238, appendix B, SHA-1, of which an app shows the last six digits. */
const secret = Buffer.from('12345678901234567890');
const vectors: [seconds: number, code: string][] = [
  [59, '287082'],
  [1_111_111_109, '081804'],
  [1_111_111_111, '050471'],
  [1_234_567_890, '005924'],
  [2_000_000_000, '279037'],
  [20_000_000_000, '353130'],
];

describe('TOTP', () => {
  test.each(vectors)('at %i s the code is %s', (seconds, code) => {
    const nowMs = seconds * 1000;
    expect(totpCode(secret, totpStep(nowMs))).toBe(code);
    expect(matchTotp(secret, code, { nowMs, lastStep: 0 })).toBe(totpStep(nowMs));
  });

  test('a code is taken one step early or late, and no further', () => {
    const step = 1_000_000;
    const at = (offset: number) =>
      matchTotp(secret, totpCode(secret, step + offset), { nowMs: step * 30_000, lastStep: 0 });
    expect([-2, -1, 0, 1, 2].map(at)).toEqual([undefined, step - 1, step, step + 1, undefined]);
  });

  test('a code is good once, and none is that is older than one that was taken', () => {
    const step = 1_000_000;
    const at = (offset: number) =>
      matchTotp(secret, totpCode(secret, step + offset), { nowMs: step * 30_000, lastStep: step });
    expect([-1, 0, 1].map(at)).toEqual([undefined, undefined, step + 1]);
  });

  test.each(['', '28708', '2870820', '28708２', 'abcdef', ' 87082'])(
    'what is no code is refused: %j',
    (code) => {
      expect(matchTotp(secret, code, { nowMs: 59_000, lastStep: 0 })).toBeUndefined();
    },
  );

  test('another secret has another code; a new one is of 160 bits', () => {
    const other = generateTotpSecret();
    expect(other.byteLength).toBe(20);
    expect(other.equals(generateTotpSecret())).toBe(false);
    expect(matchTotp(other, '287082', { nowMs: 59_000, lastStep: 0 })).toBeUndefined();
  });

  test('an app is told the secret in base32, and in the URI of a QR code', () => {
    const told = describeTotp(secret, { issuer: 'Sallyport', account: 'owner@plant-7' });
    expect(told.secret).toBe('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ');
    const uri = new URL(told.uri);
    expect(uri.protocol + uri.host).toBe('otpauth:totp');
    expect(decodeURIComponent(uri.pathname)).toBe('/Sallyport:owner@plant-7');
    expect(Object.fromEntries(uri.searchParams)).toEqual({
      issuer: 'Sallyport',
      secret: told.secret,
      algorithm: 'SHA1',
      digits: '6',
      period: '30',
    });
  });
});

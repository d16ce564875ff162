import { describe, expect, test } from '@jest/globals';
import { hashTokenSecret, verifyTokenSecret } from './token-hash.ts';

const secret = 'a token’s secret';
const malformed = { name: 'CryptoError', code: 'hash.malformed' };
/** PBKDF2-HMAC-SHA512 of `password` with the salt `salt`, one iteration: a published vector. */
const published =
  '$pbkdf2-sha512$i=1$c2FsdA$hn9wzxreAs/zdSWZo6U9xK80x6ZpgVrl1RNVThyM8lLALUcKKFoFAbrZmb/pQ8CPBQI119aLHaVeY/c7YKV/zg';

describe('token hashes', () => {
  test('[A7-03] the hash lacks the token and verifies; another token is refused', async () => {
    const hash = await hashTokenSecret(secret);
    expect(hash).toMatch(/^\$pbkdf2-sha512\$i=210000\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{86}$/);
    expect(hash).not.toContain(secret);
    expect(hash).not.toContain(Buffer.from(secret).toString('base64').slice(0, 20));
    expect(await verifyTokenSecret(secret, hash)).toEqual({ valid: true, outdated: false });
    expect(await verifyTokenSecret('another', hash)).toEqual({ valid: false, outdated: false });
  });

  test('[A7-03] the same token twice has different hashes', async () => {
    expect(await hashTokenSecret(secret, 1)).not.toBe(await hashTokenSecret(secret, 1));
  });

  test('a hash of fewer iterations still verifies, and is outdated', async () => {
    const hash = await hashTokenSecret(secret, 10);
    expect(await verifyTokenSecret(secret, hash)).toEqual({ valid: true, outdated: true });
    expect(await verifyTokenSecret(`${secret}x`, hash)).toEqual({ valid: false, outdated: true });
  });

  test('the published vector of PBKDF2-HMAC-SHA512 verifies', async () => {
    expect(await verifyTokenSecret('password', published)).toMatchObject({ valid: true });
    expect(await verifyTokenSecret('passwore', published)).toMatchObject({ valid: false });
  });

  test.each([
    ['nothing', ''],
    ['another algorithm', published.replace('sha512', 'sha256')],
    ['no iterations', published.replace('i=1', 'i=0')],
    ['iterations that would take minutes', published.replace('i=1', 'i=999999999')],
    ['no salt', published.replace('c2FsdA', '')],
    ['a short hash', published.slice(0, -1)],
    ['a long hash', `${published}A`],
    ['a line after it', `${published}\n`],
    ['the token itself', secret],
  ])('a stored hash with %s is malformed', async (_, phc) => {
    await expect(verifyTokenSecret(secret, phc)).rejects.toMatchObject(malformed);
  });
});

import { describe, expect, test } from '@jest/globals';
import argon2 from 'argon2';
import { hashPassword, verifyPassword } from './password.ts';

const password = 'correct horse battery staple';
const malformed = { name: 'CryptoError', code: 'hash.malformed' };

describe('password hashes', () => {
  test('the hash lacks the password and verifies; another password is refused', async () => {
    const hash = await hashPassword(password);
    expect(hash).toMatch(/^\$argon2id\$v=19\$m=65536,/);
    expect(hash).not.toContain(password);
    expect(await verifyPassword(password, hash)).toEqual({ valid: true, outdated: false });
    expect(await verifyPassword(`${password} `, hash)).toEqual({ valid: false, outdated: false });
  });

  test('the same password twice has different hashes', async () => {
    expect(await hashPassword(password)).not.toBe(await hashPassword(password));
  });

  test('a hash of weaker parameters still verifies, and is outdated', async () => {
    const hash = await argon2.hash(password, {
      type: argon2.argon2id,
      memoryCost: 1024,
      timeCost: 2,
    });
    expect(await verifyPassword(password, hash)).toEqual({ valid: true, outdated: true });
    expect(await verifyPassword('', hash)).toEqual({ valid: false, outdated: true });
  });

  test.each([
    ['nothing', ''],
    ['the password itself', password],
    [
      'argon2i',
      '$argon2i$v=19$m=1024,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
    ],
    [
      'no parameters',
      '$argon2id$v=19$$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
    ],
    ['a short hash', '$argon2id$v=19$m=1024,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAA'],
  ])('a stored hash that is %s is malformed', async (_, phc) => {
    await expect(verifyPassword(password, phc)).rejects.toMatchObject(malformed);
  });
});

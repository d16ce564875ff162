import { describe, expect, test } from '@jest/globals';
import argon2 from 'argon2';
import * as passwords from './password.ts';
import { HASH_COSTS, type PasswordPolicy } from './password.ts';
import { hashTokenSecret } from './token-hash.ts';

const byDefault: PasswordPolicy = { scheme: 'argon2id', fips: false, costs: HASH_COSTS };
const withPbkdf2: PasswordPolicy = { scheme: 'pbkdf2', fips: false, costs: HASH_COSTS };
const withFips: PasswordPolicy = { scheme: 'pbkdf2', fips: true, costs: HASH_COSTS };
const hashPassword = (text: string) => passwords.hashPassword(text, byDefault);
const verifyPassword = (text: string, phc: string) =>
  passwords.verifyPassword(text, phc, byDefault);

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

  test('[A7-18] PBKDF2 is chosen: the hash is one of 210,000 iterations; another password is refused', async () => {
    const hash = await passwords.hashPassword(password, withFips);
    expect(hash).toMatch(/^\$pbkdf2-sha512\$i=210000\$/);
    expect(hash).not.toContain(password);
    expect(await passwords.verifyPassword(password, hash, withFips)).toEqual({
      valid: true,
      outdated: false,
    });
    expect(await passwords.verifyPassword('another', hash, withFips)).toMatchObject({
      valid: false,
    });
  });

  test.each([
    ['argon2id becomes PBKDF2', byDefault, withPbkdf2],
    ['PBKDF2 becomes argon2id', withPbkdf2, byDefault],
  ])('when %s, a hash of the other scheme verifies and is outdated', async (_, before, after) => {
    const hash = await passwords.hashPassword(password, before);
    expect(await passwords.verifyPassword(password, hash, after)).toEqual({
      valid: true,
      outdated: true,
    });
    expect(await passwords.verifyPassword('another', hash, after)).toMatchObject({ valid: false });
  });

  test('a hash of fewer iterations verifies, and is outdated', async () => {
    const hash = await hashTokenSecret(password, 1_000);
    expect(await passwords.verifyPassword(password, hash, withFips)).toEqual({
      valid: true,
      outdated: true,
    });
  });

  test('where FIPS is asked for, argon2id is not run, whatever the password is', async () => {
    const hash = await hashPassword(password);
    for (const text of [password, 'another'])
      await expect(passwords.verifyPassword(text, hash, withFips)).rejects.toMatchObject({
        name: 'CryptoError',
        code: 'hash.not_permitted',
      });
  });
});

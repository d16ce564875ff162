import { describe, expect, test } from '@jest/globals';
import { fieldOf, readSecretQuery } from './secret-query.ts';

describe('[SG-24] the query of a secret', () => {
  test.each([
    ['', {}],
    ['version=3', { version: 3 }],
    ['field=user', { field: 'user' }],
    ['field=%2Fdb%2Fuser&version=12', { field: '/db/user', version: 12 }],
    ['field=a+b', { field: 'a b' }],
  ])('%j is read', (text, asked) => {
    expect(readSecretQuery(text)).toEqual(asked);
  });

  test.each([
    'version=0',
    'version=-1',
    'version=1.5',
    'version=latest',
    'version=',
    'version=1&version=2',
    'field=',
    'field=a&field=b',
    'field=%2Fa~2',
    `field=${'x'.repeat(257)}`,
    'canary=1',
    'canary',
  ])('%j is refused, and not repeated', (text) => {
    expect(() => readSecretQuery(text)).toThrow(
      expect.objectContaining({
        code: 'request.invalid',
        message: expect.not.stringContaining('canary'),
      }),
    );
  });
});

describe('[SG-24] a field of a secret', () => {
  const secret = Buffer.from(
    JSON.stringify({
      user: 'shop',
      port: 5432,
      empty: '',
      nothing: null,
      'a/b': 'slash',
      'c~d': 'tilde',
      db: { hosts: ['first', 'second'] },
      '/odd': 'x',
    }),
  );

  test.each([
    ['user', 'shop'],
    ['port', '5432'],
    ['empty', ''],
    ['nothing', 'null'],
    ['a/b', 'slash'],
    ['/a~1b', 'slash'],
    ['/c~0d', 'tilde'],
    ['/db/hosts/1', 'second'],
    ['db', '{"hosts":["first","second"]}'],
  ])('%s is %j', (field, value) => {
    expect(fieldOf(secret, field).toString()).toBe(value);
  });

  test.each([
    'none',
    'User',
    'db.hosts',
    '/db/hosts/2',
    '/user/length',
    '/toString',
    '__proto__',
    '/',
  ])('%s is not there', (field) => {
    expect(() => fieldOf(secret, field)).toThrow(
      expect.objectContaining({ code: 'secret.field_not_found' }),
    );
  });

  test('of a value that is no JSON is refused, and the value not repeated', () => {
    expect(() => fieldOf(Buffer.from('{canary'), 'user')).toThrow(
      expect.objectContaining({
        code: 'secret.not_json',
        message: expect.not.stringContaining('canary'),
      }),
    );
  });

  test('leaves the value as it was', () => {
    const before = secret.toString();
    fieldOf(secret, 'user').fill(0);
    expect(secret.toString()).toBe(before);
  });
});

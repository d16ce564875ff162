import { describe, expect, test } from '@jest/globals';
import { localApiSettings } from '../local-api-settings.ts';
import { rightsOf } from './rights.ts';

const allowOf = (secrets: string[]) =>
  localApiSettings.parse({ tcp: { allow: { secrets } } }).tcp.allow;

describe('[SG-38] the rights of a listener', () => {
  test.each([
    ['a name', ['db/password'], 'db/password', true],
    ['another name', ['db/password'], 'db/passwords', false],
    ['what is below a name that is listed alone', ['db'], 'db/password', false],
    ['what is below', ['db/*'], 'db/password', true],
    ['what is far below', ['db/*'], 'db/replica/password', true],
    ['the name that others are below', ['db/*'], 'db', false],
    ['a name that begins alike', ['db/*'], 'dbs/password', false],
    ['one of several', ['api/key', 'db/*'], 'api/key', true],
    ['anything at all', ['*'], 'db/password', true],
    ['anything where nothing is listed', [], 'db/password', false],
  ])('with %s: %j and %s is %s', (_, patterns, name, allowed) => {
    expect(rightsOf(allowOf(patterns)).allows('secret', name)).toBe(allowed);
  });

  test('of one kind are none of another', () => {
    const rights = rightsOf(allowOf(['*']));
    expect([rights.allows('plugin', 'a'), rights.allows('certificate', 'a')]).toEqual([
      false,
      false,
    ]);
  });

  test.each(['', 'db/', '/db', 'd*b', '**', '*/password', 'db/**', 'db*'])(
    'are not set by %j',
    (pattern) => {
      expect(() => allowOf([pattern])).toThrow('name one, all below it as in db/*, or * for all');
    },
  );
});

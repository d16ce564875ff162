import { describe, expect, test } from '@jest/globals';
import { Freshness, freshnessWarnings } from './freshness.ts';

describe('[SG-39] how old a secret may be', () => {
  const freshness = new Freshness([
    { secrets: ['db/password', 'api/*'], maxStaleSeconds: 5 },
    { secrets: ['db/*'], maxStaleSeconds: 60, cacheSeconds: 1 },
  ]);

  test.each([
    ['db/password', { maxStaleSeconds: 5 }],
    ['api/a/b', { maxStaleSeconds: 5 }],
    ['db/login', { maxStaleSeconds: 60, cacheSeconds: 1 }],
    ['db', {}],
    ['dbs/login', {}],
  ])('is for %s what the first entry says that names it, and nothing more: %j', (name, limits) => {
    expect(freshness.of(name)).toEqual(limits);
  });
});

describe('[SG-39] an entry that can never count', () => {
  const warningsOf = (...names: string[][]) =>
    freshnessWarnings(names.map((secrets) => ({ secrets, maxStaleSeconds: 5 })));
  const told = (key: string, first: string) =>
    `${key} never counts, since ${first} is for all of it; put the narrower entry first, or leave it out`;

  test.each([
    ['the same name', [['db/a'], ['db/a']], [told('freshness[1].secrets[0]', 'freshness[0]')]],
    ['a name below', [['db/*'], ['x', 'db/a']], [told('freshness[1].secrets[1]', 'freshness[0]')]],
    ['all below', [['x'], ['db/*'], ['db/a/*']], [told('freshness[2].secrets[0]', 'freshness[1]')]],
    [
      'anything after all',
      [['*'], ['db/*', '*']],
      [
        told('freshness[1].secrets[0]', 'freshness[0]'),
        told('freshness[1].secrets[1]', 'freshness[0]'),
      ],
    ],
  ])('is told by its key, as is %s', (_, entries, warnings) => {
    expect(warningsOf(...entries)).toEqual(warnings);
  });

  test('is none where the narrower comes first, or only a part is taken', () => {
    expect(warningsOf(['db/a'], ['db/a/*', 'db/b'], ['db/*'], ['dbs/*', 'db'], ['*'])).toEqual([]);
  });
});

describe('[SG-32] a secret', () => {
  const freshness = new Freshness([
    { secrets: ['now'], maxStaleSeconds: 0 },
    { secrets: ['a'], maxStaleSeconds: 60 },
    { secrets: ['referred'], cacheSeconds: 60 },
  ]);

  test.each([
    ['a', 'stale', 59, 'served'],
    ['a', 'stale', 60, 'withheld'],
    ['a', 'current', 60, 'served'],
    ['now', 'current', 70, 'served'],
    ['now', 'stale', 0, 'withheld'],
    ['referred', 'stale', 1e6, 'served'],
    ['b', 'stale', 1e6, 'served'],
  ])('%s that is %s and %i s old is %s', (name, state, age, outcome) => {
    const staleSinceMs = () => (state === 'stale' ? 1 : undefined);
    const isWithheld = freshness.withholds(name, { ageSeconds: () => age, staleSinceMs });
    expect(isWithheld).toBe(outcome === 'withheld');
  });
});

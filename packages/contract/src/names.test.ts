import { describe, expect, test } from '@jest/globals';
import type { z } from 'zod';
import { agentName, groupName, instant, operatorName, resourceName, uuid } from './names.ts';
import { createEnrollmentTokenBody } from './operator/enrollment-tokens.ts';
import { MAX_SECRET_BYTES, secretValue } from './operator/secrets.ts';
import { pageQuery } from './page.ts';

type Row = { what: string; schema: z.ZodType; accepted: unknown[]; refused: unknown[] };

const rows: Row[] = [
  {
    what: 'a group’s name',
    schema: groupName,
    accepted: ['a', '7', 'plant-7', 'a--b', 'a'.repeat(63)],
    refused: [
      '',
      '-a',
      'a-',
      'Plant',
      'a_b',
      'a.b',
      'a/b',
      'a b',
      'a\n',
      'ä',
      'a'.repeat(64),
      7,
      null,
    ],
  },
  {
    what: 'a secret’s or plugin’s name',
    schema: resourceName,
    accepted: ['a', '_', 'db/password', 'DB_PASSWORD', 'a.b-c/d_e', 'a..b', 'x'.repeat(128)],
    refused: [
      '',
      '/',
      'a/',
      '/a',
      'a//b',
      '.',
      '..',
      'a/..',
      'a/../b',
      '.hidden',
      '-a',
      'a b',
      'a%2fb',
      'a\\b',
      'a\n',
      'a\0',
      'x'.repeat(129),
    ],
  },
  {
    what: 'an operator’s name',
    schema: operatorName,
    accepted: ['owner', '0', 'a.b_c-d', 'ops@example.com', 'a'.repeat(64)],
    refused: ['', '.a', '@a', 'Owner', 'a b', 'a:b', 'a\n', 'a'.repeat(65)],
  },
  {
    what: 'an agent’s name',
    schema: agentName,
    accepted: ['a', 'Host-1.example', 'a_b', 'a'.repeat(64)],
    refused: ['', '-a', 'a-', 'a.', 'a b', 'a/b', '<script>', 'a\n', 'a'.repeat(65)],
  },
  {
    what: 'an id',
    schema: uuid,
    accepted: ['01890a5d-ac96-774b-bcce-b302099a8057', '01890A5D-AC96-774B-BCCE-B302099A8057'],
    refused: [
      '',
      '01890a5dac96774bbcceb302099a8057',
      '01890a5d-ac96-774b-bcce-b302099a805',
      'x'.repeat(36),
      7,
    ],
  },
  {
    what: 'an instant',
    schema: instant,
    accepted: ['2030-01-01T00:00:00Z', '2030-01-01T00:00:00.000Z', '2028-02-29T23:59:59.999Z'],
    refused: [
      '',
      '2030-01-01',
      '2030-01-01T00:00:00',
      '2030-01-01T00:00:00+01:00',
      '2030-02-30T00:00:00Z',
      0,
    ],
  },
  {
    what: 'a secret’s value',
    schema: secretValue,
    accepted: ['x', '\n', 'ü', 'x'.repeat(MAX_SECRET_BYTES), 'ü'.repeat(MAX_SECRET_BYTES / 2)],
    refused: [
      '',
      'x'.repeat(MAX_SECRET_BYTES + 1),
      `${'ü'.repeat(MAX_SECRET_BYTES / 2)}x`,
      7,
      null,
      { $encrypted: true },
    ],
  },
  {
    what: 'the networks of a token',
    schema: createEnrollmentTokenBody.shape.cidrs,
    accepted: [[], ['10.0.0.0/8'], ['fd00::/8', '::/0', '0.0.0.0/0', '192.0.2.1/32']],
    refused: [
      ['10.0.0.0'],
      ['10.0.0.0/33'],
      ['fd00::/129'],
      ['256.0.0.0/8'],
      ['example.com/8'],
      [''],
      '10.0.0.0/8',
      Array(33).fill('10.0.0.0/8'),
    ],
  },
  {
    what: 'the uses of a token',
    schema: createEnrollmentTokenBody.shape.uses,
    accepted: [1, 10_000, undefined],
    refused: [0, -1, 1.5, 10_001, '1', null, Number.NaN],
  },
  {
    what: 'the life of a token, in seconds',
    schema: createEnrollmentTokenBody.shape.expiresInSeconds,
    accepted: [1, 3600, 30 * 24 * 3600, undefined],
    refused: [0, -1, 0.5, 30 * 24 * 3600 + 1, '1h', null],
  },
  {
    what: 'a page’s size, as a query says it',
    schema: pageQuery(uuid).shape.limit,
    accepted: ['1', '200', undefined],
    refused: ['0', '201', '-1', '1.5', 'all', ''],
  },
];

describe.each(rows)('$what', ({ schema, accepted, refused }) => {
  test.each(accepted.map((value) => [value]))('may be %j', (value) => {
    expect(schema.safeParse(value).success).toBe(true);
  });

  test.each(refused.map((value) => [value]))('may not be %j', (value) => {
    expect(schema.safeParse(value).success).toBe(false);
  });
});

test('an id is the same in either case', () => {
  const id = '01890a5d-ac96-774b-bcce-b302099a8057';
  for (const written of [id, id.toUpperCase()]) expect(uuid.parse(written)).toBe(id);
});

test('a token is good for one use, for an hour, from anywhere, unless more is asked for', () => {
  expect(createEnrollmentTokenBody.parse({})).toEqual({
    uses: 1,
    expiresInSeconds: 3600,
    cidrs: [],
  });
});

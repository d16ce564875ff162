import { describe, expect, test } from '@jest/globals';
import { looksSecret, type JsonObject, type PluginTypeDefinition } from '@sallyport/contract';
import { lintType } from './lint-type.ts';
import { validateConfig } from './validate-config.ts';

const text = { type: 'string' };
const of = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({
  type: 'object',
  properties,
  ...more,
});
const lint = (schema: JsonObject, paths: Partial<PluginTypeDefinition> = {}) =>
  lintType({ description: '', schema, encryptedFields: [], publicFields: [], ...paths });
const fieldsOf = (issues: { field: string }[]) => issues.map(({ field }) => field);

describe('[A7-07] a field that looks like a secret and is not listed is refused', () => {
  test.each<[where: string, path: string, schema: JsonObject]>([
    ['at the top', '/password', of({ password: text })],
    ['nested', '/auth/dbPassword', of({ auth: of({ dbPassword: text }) })],
    [
      'in items',
      '/targets/*/token',
      of({ targets: { type: 'array', items: of({ token: text }) } }),
    ],
    [
      'in prefixItems',
      '/pair/1/api_key',
      of({ pair: { type: 'array', prefixItems: [text, of({ api_key: text })] } }),
    ],
    ['in additionalProperties', '/*/secret', { additionalProperties: of({ secret: text }) }],
    ['in patternProperties', '/*/PASSWD', { patternProperties: { '^x': of({ PASSWD: text }) } }],
    ['by a pattern', '/*', { patternProperties: { '^x-.*-token$': text } }],
    [
      'behind $ref',
      '/a/privateKey',
      { ...of({ a: { $ref: '#/$defs/a' } }), $defs: { a: of({ privateKey: text }) } },
    ],
    ['in allOf', '/credential', { allOf: [of({ credential: text })] }],
    [
      'in anyOf',
      '/a/passphrase',
      of({ a: { anyOf: [{ type: 'null' }, of({ passphrase: text })] } }),
    ],
    ['in oneOf', '/pwd', { oneOf: [of({ pwd: text })] }],
    ['in else', '/accessKey', { if: of({ a: {} }), else: of({ accessKey: text }) }],
    ['in a list of them', '/tokens/*', of({ tokens: { type: 'array', items: text } })],
    ['in an object of that name', '/credentials/user', of({ credentials: of({ user: text }) })],
    ['as an open object', '/secrets', of({ secrets: { type: 'object' } })],
    ['as anything', '/secret', of({ secret: true })],
  ])('%s: %s', (_, path, schema) => {
    expect(fieldsOf(lint(schema))).toEqual([`body.schema:${path}`]);
    expect(lint(schema, { encryptedFields: [path] })).toEqual([]);
    expect(lint(schema, { publicFields: [path] })).toEqual([]);
  });

  test('also in a schema that holds itself, where it comes to an end', () => {
    const schema = of({ token: text, children: { type: 'array', items: { $ref: '#' } } });
    expect(fieldsOf(lint(schema))).toEqual(['body.schema:/token', 'body.schema:/children/*/token']);
    expect(lint(schema, { encryptedFields: ['/token', '/children'] })).toEqual([]);
  });

  test('but not what can only be a number or a boolean', () => {
    expect(lint(of({ maxTokens: { type: 'integer' }, hasPassword: { type: 'boolean' } }))).toEqual(
      [],
    );
  });

  test.each([
    'password',
    'DB_PASSWORD',
    'apiKey',
    'api-key',
    'Private_Key',
    'oauthToken',
    'dbPass',
    'PWD',
  ])('looks like a secret: %s', (name) => expect(looksSecret(name)).toBe(true));
  test.each(['user', 'key', 'bypass', 'compass', 'passage', 'url', 'keyId'])(
    'does not: %s',
    (name) => expect(looksSecret(name)).toBe(false),
  );
});

describe('[A7-07] a path that the schema does not have is refused', () => {
  const schema = of({ auth: of({ pin: text }), list: { type: 'array', items: text }, free: {} });
  test.each(['/auth/pin', '/auth', '/list/*', '/list/0', '/free/anything', '/*/pin'])(
    'not %s',
    (path) => expect(lint(schema, { encryptedFields: [path] })).toEqual([]),
  );
  test.each(['/pin', '/auth/pni', '/auth/pin/x', '/list/*/x'])('%s', (path) => {
    expect(fieldsOf(lint(schema, { encryptedFields: [path] }))).toEqual(['body.encryptedFields.0']);
    expect(fieldsOf(lint(schema, { publicFields: [path] }))).toEqual(['body.publicFields.0']);
  });
  test('nor one that is both encrypted and public, or whose value the schema tells', () => {
    const both = { encryptedFields: ['/auth/pin'], publicFields: ['/auth/pin'] };
    expect(fieldsOf(lint(schema, both))).toEqual(['body.publicFields.0']);
    for (const told of [
      { default: '1234' },
      { examples: ['1234'] },
      { const: '1234' },
      { enum: ['1234'] },
    ]) {
      const telling = of({ pin: { type: 'string', ...told } });
      expect(fieldsOf(lint(telling, { encryptedFields: ['/pin'] }))).toEqual([
        'body.encryptedFields.0',
      ]);
    }
  });
});

describe('[F-23] a hostile schema is refused', () => {
  const doubling = Object.fromEntries(
    Array.from({ length: 30 }, (_, index) => {
      const next = { $ref: `#/$defs/d${index + 1}` };
      return [`d${index}`, { allOf: [next, next] }];
    }),
  );
  const wide = Object.fromEntries(Array.from({ length: 2_100 }, (_, index) => [`f${index}`, {}]));
  test.each<[what: string, schema: JsonObject]>([
    ['a keyword that does not exist', { typo: 1 }],
    ['a type that does not exist', { type: 'text' }],
    ['another dialect', { $schema: 'http://json-schema.org/draft-07/schema#' }],
    ['a remote $ref', { $ref: 'https://example.com/schema' }],
    ['a $ref to nothing', { $ref: '#/$defs/none' }],
    ['a $ref to what is no schema', { $ref: '#/required', required: ['a'] }],
    [
      'a $ref to a value that a keyword has',
      of({ a: { $ref: '#/uniqueItems' } }, { uniqueItems: true }),
    ],
    ['a $ref to an item of a list by no number', of({ a: { $ref: '#/allOf/' } }, { allOf: [{}] })],
    ['a $ref to one by a number with a zero', of({ a: { $ref: '#/allOf/00' } }, { allOf: [{}] })],
    ['a $ref to itself', { $ref: '#' }],
    [
      'a circle of $ref',
      { $defs: { a: { allOf: [{ $ref: '#/$defs/b' }] }, b: { $ref: '#/$defs/a' } } },
    ],
    ['an anchor', { $defs: { a: { $anchor: 'a' } } }],
    ['an $id inside', of({ a: { $id: 'https://example.com/' } })],
    ['a pattern that backtracks', of({ a: { pattern: '^(a+)+$' } })],
    ['the name of one', { patternProperties: { '(x+x+)+y': {} } }],
    ['a pattern that is none', of({ a: { pattern: '(' } })],
    ['too many schemas', of(wide)],
    ['too long a text', { description: 'x'.repeat(70_000) }],
    ['what takes 2^30 steps', { $ref: '#/$defs/d0', $defs: { ...doubling, d30: of({}) } }],
  ])('%s', (_, schema) => {
    const issues = lint(schema);
    expect(issues.length).toBeGreaterThan(0);
    expect(issues[0]?.field).toMatch(/^body\.schema/);
  });
});

describe('validation', () => {
  test('names places and keywords, and never a value', () => {
    const schema = of(
      { a: of({ p: { type: 'string', minLength: 8, pattern: '^x' } }), n: { type: 'integer' } },
      { required: ['z'], additionalProperties: false },
    );
    const misfits = validateConfig(schema, { a: { p: 'canary' }, n: 'canary', more: 'canary' });
    expect(misfits).toEqual([
      { path: '', problem: 'lacks z' },
      { path: '/a/p', problem: 'fails minLength' },
      { path: '/a/p', problem: 'fails pattern' },
      { path: '/n', problem: 'fails type' },
      { path: '/more', problem: 'is not known to the type; leave it out' },
    ]);
  });

  test.each([
    ['a?b', 'a%3Fb'],
    ['a+b', 'a%2bb'],
    ['a/b~c', 'a~1b~0c'],
    ['$x', '%24x'],
    ['a b', 'a b'],
    ['ü', '%C3%BC'],
    ['a\tb', 'a\tb'],
  ])('follows a $ref to %j that is written %j', (name, written) => {
    const schema = of({ a: { $ref: `#/$defs/${written}` } }, { $defs: { [name]: text } });
    expect(lint(schema)).toEqual([]);
    expect(validateConfig(schema, { a: 1 })).toEqual([{ path: '/a', problem: 'fails type' }]);
  });

  test('takes no value of a schema for a $ref', () => {
    const schema = of({ a: { const: { $ref: '#/%24defs' } } });
    expect(validateConfig(schema, { a: { $ref: '#/%24defs' } })).toEqual([]);
  });

  test('[F-23] ends in time whatever the schema is', () => {
    // None that the lint lets pass; the second line of defence.
    const schema = of({ a: { type: 'string', pattern: '^(a+)+$' } });
    expect(validateConfig(schema, { a: `${'a'.repeat(40)}b` })).toEqual([
      { path: '', problem: 'takes too long to hold against the schema of its type' },
    ]);
  });
});

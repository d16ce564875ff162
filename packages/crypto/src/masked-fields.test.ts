import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { jsonObject, type JsonObject, type JsonValue } from '@sallyport/contract';
import fc from 'fast-check';
import { KEY_BYTES, open, seal, type Place } from './envelope.ts';
import { covers, formatPointer, parsePointer } from './json-pointer.ts';
import {
  encodeFilled,
  fillFields,
  isPlaceholder,
  maskFields,
  strayPlaceholders,
} from './masked-fields.ts';

const sealingKey = randomBytes(KEY_BYTES);
const placeOf = (field: string): Place => ({
  ...{ table: 'plugin_fields', row: 'row', group: 'group', keyVersion: 1 },
  field,
});

/** Few, so that patterns meet them; with those that pollute, escape, or look like a pattern. */
const key = fc.constantFrom('a', 'b', '0', '1', '*', '', 'a/b', '~1', '__proto__', 'constructor');
/** No two leaves are alike, so that one that is found again was not masked. */
const leaf = fc.oneof(
  fc.uuid(),
  fc.constantFrom<JsonValue>(null, true, 0, ''),
  fc.string().map((text) => `${text}#`),
);
const object = (value: fc.Arbitrary<JsonValue>): fc.Arbitrary<JsonObject> =>
  fc.array(fc.tuple(key, value), { maxLength: 4 }).map((entries) => Object.fromEntries(entries));
const { json } = fc.letrec<{ json: JsonValue }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('json'), { maxLength: 3 }),
    object(tie('json')),
  ),
}));
const config = object(json);
const patterns = fc.array(
  fc.array(fc.oneof(fc.constant('*'), key), { minLength: 1, maxLength: 4 }),
  { maxLength: 4 },
);

/** Compared as text: a key such as __proto__ is invisible to most ways of comparing objects. */
const text = (value: unknown) => JSON.stringify(value);

function leaves(value: JsonValue): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null
    ? Object.values(value).flatMap((inner) => leaves(inner ?? null))
    : [];
}

const uuids = (value: JsonValue) => leaves(value).filter((one) => /^[\da-f-]{36}$/.test(one));

describe('masking the fields of a configuration', () => {
  test('[A7-07] for any JSON and any paths, what is sealed field by field opens to what was there, as text and as bytes', () => {
    fc.assert(
      fc.property(config, patterns, (whole, paths) => {
        const { masked, fields } = maskFields(whole, paths);
        expect(text(fillFields(masked, fields))).toBe(text(whole));
        const bytes = new Map(
          [...fields].map(([at, value]) => {
            const sealed = seal(sealingKey, Buffer.from(text(value)), placeOf(at));
            return [at, open(sealingKey, sealed, placeOf(at))];
          }),
        );
        expect(encodeFilled(masked, bytes).toString()).toBe(text(whole));
      }),
      { numRuns: 500 },
    );
  });

  test('[A7-07] the mask holds no leaf of what was taken out, and all the others', () => {
    fc.assert(
      fc.property(config, patterns, (whole, paths) => {
        const { masked, fields } = maskFields(whole, paths);
        const taken = new Set([...fields.values()].flatMap(uuids));
        const shown = uuids(masked);
        expect(shown.filter((leaf) => taken.has(leaf))).toEqual([]);
        expect(new Set([...shown, ...taken])).toEqual(new Set(uuids(whole)));
        for (const at of fields.keys())
          expect(paths.some((path) => covers(path, parsePointer(at)))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('[F-23] a key such as __proto__ is a key, and pollutes nothing', () => {
    const hostile = jsonOf('{"__proto__":{"polluted":"x"},"constructor":{"prototype":{"y":"z"}}}');
    const { masked, fields } = maskFields(hostile, [
      ['__proto__', 'polluted'],
      ['constructor', '*', '*'],
    ]);
    expect([...fields]).toEqual([
      ['/__proto__/polluted', 'x'],
      ['/constructor/prototype/y', 'z'],
    ]);
    expect(text(fillFields(masked, fields))).toBe(text(hostile));
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
    expect(Reflect.get({}, 'y')).toBeUndefined();
  });

  test.each<[string, string, string[]]>([
    ['a nested field', '/auth/password', ['/auth/password']],
    ['a field of each item', '/targets/*/token', ['/targets/0/token', '/targets/1/token']],
    ['all items', '/targets/*', ['/targets/0', '/targets/1']],
    ['a whole object', '/auth', ['/auth']],
    ['an escaped name', '/a~1b', ['/a~1b']],
    ['nothing that is there', '/auth/nothing', []],
  ])('[A7-07] takes %s: %s', (_, pattern, expected) => {
    const whole: JsonObject = {
      auth: { user: 'u', password: 'p' },
      targets: [{ token: 1 }, { token: null, x: 1 }],
      'a/b': [true],
    };
    const { fields } = maskFields(whole, [parsePointer(pattern)]);
    expect([...fields.keys()]).toEqual(expected);
  });

  test('a placeholder without a value, and a value without a placeholder, are refused', () => {
    const { masked, fields } = maskFields({ a: 'x', b: 'y' }, [['a']]);
    expect(() => fillFields(masked, new Map())).toThrow(RangeError);
    expect(() => encodeFilled(masked, new Map())).toThrow(RangeError);
    expect(() => fillFields({ b: 'y' }, fields)).toThrow(RangeError);
    expect(() => encodeFilled({}, new Map([['/a', Buffer.of()]]))).toThrow(RangeError);
  });

  test('finds every $encrypted that is not the placeholder of a field', () => {
    const whole = jsonOf(
      '{"a":{"$encrypted":true},"b":[{"$encrypted":true}],"c":{"$encrypted":false},"d":{"$encrypted":true,"x":1},"e":[null,"text",7]}',
    );
    expect(
      strayPlaceholders(
        whole,
        new Map([
          ['/a', 1],
          ['/d', 1],
        ]),
      ),
    ).toEqual(['/b/0', '/c', '/d']);
    expect(isPlaceholder({ $encrypted: true })).toBe(true);
    expect(isPlaceholder({ $encrypted: 1 })).toBe(false);
    expect(isPlaceholder(null)).toBe(false);
  });
});

test.each([
  ['/a', '/a', true],
  ['/a', '/a/b', true],
  ['/*', '/a/b', true],
  ['/a/b', '/a', false],
  ['/a/*', '/a', false],
  ['/b', '/a', false],
  ['/*/c', '/a/b', false],
])('%s covers %s: %j', (pattern, path, expected) => {
  expect(covers(parsePointer(pattern), parsePointer(path))).toBe(expected);
});

test('any path is the same after it was a JSON Pointer', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (path) => {
      expect(parsePointer(formatPointer(path))).toEqual(path);
    }),
  );
});

function jsonOf(source: string): JsonObject {
  const parsed: unknown = JSON.parse(source);
  jsonObject.parse(parsed);
  // Not what zod makes of it, which leaves such keys out.
  return Object(parsed);
}

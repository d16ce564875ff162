import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson, type JsonValue } from './canonical-json.ts';

test('is the text of RFC 8785, sections 3.2.2 and 3.2.3', () => {
  const value = {
    numbers: [333333333.3333333, 1e30, 4.5, 2e-3, 0.000000000000000000000000001, -0],
    string: '€$\u000F\nA\'B"\\\\"/',
    literals: [null, true, false],
  };
  expect(canonicalJson(value)).toBe(
    String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27,0],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
  );
  const sorted = { '€': 1, '\r': 2, '\uFB33': 3, '1': 4, '😀': 5, '\u0080': 6, ö: 7 };
  expect(Object.values(JSON.parse(canonicalJson(sorted)))).toHaveLength(7);
  expect(canonicalJson(sorted).match(/:\d/g)?.join('')).toBe(':2:4:6:7:1:5:3');
});

test('does not depend on the order of members, and reads back as what it was', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const shuffled = JSON.parse(JSON.stringify(value, (_, member) => reversed(member)));
      const text = canonicalJson(JSON.parse(JSON.stringify(value)));
      expect(canonicalJson(shuffled)).toBe(text);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test.each([
  ['a number that is not finite', Number.NaN],
  ['half of a surrogate pair', '\uD800'],
  ['a name with half of a surrogate pair', { '\uD800': 1 }],
])('refuses %s, which has no such text', (_, value) => {
  expect(() => canonicalJson({ value })).toThrow(TypeError);
});

test('writes 64 levels, in whatever order their members come, and refuses more', () => {
  const nested = (levels: number): JsonValue =>
    levels === 1 ? [] : { b: 1, a: nested(levels - 1) };
  expect(canonicalJson(nested(64))).toContain('{"a":{"a":[],"b":1},"b":1}');
  expect(() => canonicalJson(nested(65))).toThrow(TypeError);
  expect(() => canonicalJson(JSON.parse('['.repeat(65) + ']'.repeat(65)))).toThrow(TypeError);
});

function reversed(value: unknown): unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).toReversed())
    : value;
}

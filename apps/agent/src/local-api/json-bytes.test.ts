import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { jsonAround } from './json-bytes.ts';

describe('a value put into JSON as bytes', () => {
  test('is what JSON.stringify makes of it, for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const text = Buffer.from(value, 'utf8');
        expect(jsonAround('{"value":"', text, '"}').toString('utf8')).toBe(
          JSON.stringify({ value }),
        );
      }),
    );
  });

  test('is so for every control character, quote, backslash and line separator', () => {
    const codes = [...Array(0x21).keys(), 0x22, 0x2f, 0x5c, 0x7f, 0x80, 0x2028, 0x2029, 0x1f600];
    const value = codes.map((code) => String.fromCodePoint(code)).join('');
    expect(jsonAround('"', Buffer.from(value), '"').toString('utf8')).toBe(JSON.stringify(value));
  });

  test('may be empty', () => {
    expect(jsonAround('"', Buffer.alloc(0), '"').toString('utf8')).toBe('""');
  });
});

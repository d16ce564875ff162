import { describe, expect, test } from '@jest/globals';
import { jsonText, printable, withoutTokens } from './printable.ts';

describe('foreign text at a terminal', () => {
  test.each([
    ['an escape sequence', '\u001b[2Jroot', '\\u{1b}[2Jroot'],
    ['a line end', 'a\r\nb', 'a\\u{d}\\u{a}b'],
    ['an eight-bit control', '\u009b2J', '\\u{9b}2J'],
    ['a reversal of direction', '\u202egpj.exe', '\\u{202e}gpj.exe'],
    ['what is above the first plane', '\u{e0041}', '\\u{e0041}'],
    ['half of a surrogate pair', 'a\ud800b', 'a\\u{d800}b'],
  ])('%s is shown, not obeyed', (_, text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  test('letters of any script, and emoji of one code point, stay as they are', () => {
    expect(printable('Zürich 東京 – Ω 🚪')).toBe('Zürich 東京 – Ω 🚪');
  });

  test('is cut off where nobody would read on', () => {
    expect(printable('x'.repeat(2_000))).toBe('x'.repeat(2_000));
    expect(printable('x'.repeat(1_000_000))).toBe(`${'x'.repeat(2_000)}…`);
  });
});

test('as JSON, what a terminal would obey is escaped, and the value is the same', () => {
  const value = { url: 'a\u009b2Jb\u202ec\u{e0041}\u007f', 'k\u2028': 'ü😀' };
  expect(jsonText(value)).toBe(
    String.raw`{"url":"a\u009b2Jb\u202ec\udb40\udc41\u007f","k\u2028":"ü😀"}`,
  );
  expect(JSON.parse(jsonText(value, 2))).toEqual(value);
});

test('tokens that were typed in the wrong place are not repeated, but for their kind', () => {
  expect(withoutTokens('/tmp/sp_enroll_0a_Bc cannot be used; sp_key_1: no')).toBe(
    '/tmp/sp_enroll_… cannot be used; sp_key_…: no',
  );
  expect(withoutTokens('sp_agent_0a, sp_session_1')).toBe('sp_agent_…, sp_session_…');
  expect(withoutTokens('sp_ace is no token')).toBe('sp_ace is no token');
});

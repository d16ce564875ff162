import { describe, expect, test } from '@jest/globals';
import { fields, printable, table } from './output.ts';

describe('words for people', () => {
  test('rows stand in columns as wide as their widest cell, with nothing after the last', () => {
    const rows = [
      ['a', '12', 'x'],
      ['a-long-name', '3', ''],
    ];
    expect(table(['NAME', 'N', 'C'], rows, 'none').split('\n')).toEqual([
      'NAME         N   C',
      'a            12  x',
      'a-long-name  3',
    ]);
  });

  test('a list of nothing says so', () => {
    expect(table(['NAME'], [], 'There are no groups.')).toBe('There are no groups.');
  });

  test('labels and texts stand in two columns', () => {
    expect(
      fields([
        ['Id', '1'],
        ['Revision', '7'],
      ]),
    ).toBe('Id        1\nRevision  7');
  });

  test.each([
    ['an escape sequence', '\u001b[2Jroot', '\\u{1b}[2Jroot'],
    ['a line end', 'a\r\nb', 'a\\u{d}\\u{a}b'],
    ['an eight-bit control', '\u009b2J', '\\u{9b}2J'],
    ['a reversal of direction', '\u202egpj.exe', '\\u{202e}gpj.exe'],
    ['what is above the first plane', '\u{e0041}', '\\u{e0041}'],
  ])('%s in foreign text is shown, not obeyed', (_, text, shown) => {
    expect(printable(text)).toBe(shown);
    expect(table(['NAME'], [[text]], 'none')).toBe(`NAME\n${shown}`);
    expect(fields([['Name', text]])).toBe(`Name  ${shown}`);
  });

  test('letters of any script, and emoji of one code point, stay as they are', () => {
    expect(printable('Zürich 東京 – Ω 🚪')).toBe('Zürich 東京 – Ω 🚪');
  });
});

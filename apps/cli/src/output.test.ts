import { describe, expect, test } from '@jest/globals';
import { fields, table } from './output.ts';

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

  test('foreign text in them is shown, not obeyed', () => {
    expect(table(['NAME'], [['\u001b[2Jroot']], 'none')).toBe('NAME\n\\u{1b}[2Jroot');
    expect(fields([['Name', '\u001b[2Jroot']])).toBe('Name  \\u{1b}[2Jroot');
  });
});

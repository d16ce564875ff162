import { describe, expect, test } from '@jest/globals';
import { KeptText } from '../test/kept-text.ts';
import { fields, Output, table } from './output.ts';

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

describe('a result', () => {
  function writtenBy(write: (output: Output) => void, json = false) {
    const [stdout, stderr] = [new KeptText(), new KeptText()];
    const output = new Output({
      stdin: process.stdin,
      stdout,
      stderr,
      stdinIsTty: false,
      stdoutIsTty: false,
    });
    output.json = json;
    write(output);
    return { stdout: stdout.text, stderr: stderr.text };
  }

  test('that is an empty list is told to people only, never to a pipe', () => {
    const none = (output: Output) => output.list([], 'There are no groups.');
    expect(writtenBy(none)).toEqual({ stdout: '', stderr: 'There are no groups.\n' });
    expect(writtenBy(none, true)).toEqual({ stdout: '[]\n', stderr: '' });
  });

  test('that is no list, or a list of something, is on standard output', () => {
    const expected = { stdout: 'words\n', stderr: '' };
    expect(writtenBy((output) => output.list([1], 'words'))).toEqual(expected);
    expect(writtenBy((output) => output.result([], 'words'))).toEqual(expected);
  });
});

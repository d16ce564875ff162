import { describe, expect, test } from '@jest/globals';
import type { JsonValue } from '@sallyport/contract';
import { placeholder } from '@sallyport/crypto/masked-fields';
import { whyNotKept } from './kept-values.ts';

const token = placeholder();
const item = (host: string, more = {}) => ({ host, token, ...more });
const [a, b, c] = [item('a'), item('b'), item('c')];

/** Whether the item at an index keeps its token. */
function keeps(was: JsonValue[], is: JsonValue[], index: number): boolean {
  return whyNotKept(`/t/${index}/token`, { t: was }, { t: is }) === undefined;
}

describe('an item of a list keeps its secret', () => {
  test.each<[string, JsonValue[], JsonValue[], number]>([
    ['when nothing changed', [a, b], [a, b], 1],
    ['when it alone was edited', [a, b], [a, item('b', { port: 1 })], 1],
    ['when another one was edited', [a, b], [item('a', { port: 1 }), b], 1],
    ['when one was added at the end', [a, b], [a, b, c], 1],
    ['when the last one was removed', [a, b, c], [a, b], 1],
    ['of two that look the same', [a, a], [a, a], 1],
  ])('%s', (_, was, is, index) => expect(keeps(was, is, index)).toBe(true));
});

describe('an item of a list gets no other item’s secret', () => {
  test.each<[string, JsonValue[], JsonValue[], number]>([
    ['when two were swapped', [a, b], [b, a], 0],
    ['when the first was removed', [a, b], [b], 0],
    ['when one in the middle was removed', [a, b, c], [a, c], 1],
    ['when one was put before it', [a, b], [c, a, b], 1],
    ['when two were edited at once', [a, b], [item('x'), item('y')], 0],
    ['when it was removed and another edited', [a, b], [item('x')], 0],
    ['when it is a copy of another', [a, b], [b, b], 0],
    ['when it moved to the end', [a, b], [c, b, a], 0],
    ['when one of two that look the same is gone', [a, a, b], [a, b], 0],
    ['when the list became an object', [a], [], 0],
  ])('%s', (_, was, is, index) => expect(keeps(was, is, index)).toBe(false));

  test('also of bare values in a list, which all look the same', () => {
    const three = { t: [token, token, token] };
    expect(whyNotKept('/t/0', three, { t: [token, token] })).toBeDefined();
    expect(whyNotKept('/t/0', three, three)).toBeUndefined();
  });

  test('nor when a list became an object with the same parts', () => {
    expect(whyNotKept('/t/0/token', { t: [a] }, { t: { 0: a } })).toBeDefined();
  });

  test('a value of an object is known by its name', () => {
    const was = { t: { a: { token }, b: { token } } };
    expect(whyNotKept('/t/b/token', was, { t: { b: { token } } })).toBeUndefined();
  });
});

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compacted, unescaped } from './json-text.ts';
import { walkTo } from './json-walk.ts';

const accepts = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};
const walks = (text: string): boolean => {
  try {
    walkTo(Buffer.from(text), []);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
};

/** What stands there, as JSON.parse would have it. */
function valueAt(text: string, path: string[]): unknown {
  const bytes = Buffer.from(text);
  const span = walkTo(bytes, path);
  if (span === undefined) return undefined;
  const found = bytes.subarray(span.start, span.end);
  return span.isText
    ? unescaped(found.subarray(1, -1)).toString()
    : JSON.parse(compacted(found).toString());
}

/** JSON with every escape and every space that it may have. */
const spaced = fc
  .tuple(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom('', ' ', '\t', '  \n'))
  .map(([value, space]) => JSON.stringify(value, undefined, space));
const escaped = (text: string) =>
  text.replaceAll(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

describe('[SG-33] JSON that never becomes a string', () => {
  test('is taken when JSON.parse takes it, and refused when it does not', () => {
    const changed = fc
      .tuple(spaced, fc.nat(), fc.constantFrom(...'{}[]",:\\0-+.eEutn \n\u0001'.split('')))
      .map(([text, at, sign]) => {
        const cut = at % (text.length + 1);
        return text.slice(0, cut) + sign + text.slice(cut + (at % 2));
      });
    fc.assert(
      fc.property(fc.oneof(spaced, changed), (text) => {
        expect(walks(text)).toBe(accepts(text));
      }),
      { numRuns: 2_000 },
    );
  });

  test('has the members that JSON.parse finds', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), (object) => {
        const text = escaped(JSON.stringify(object));
        for (const name of Object.keys(object))
          expect(valueAt(text, [name])).toEqual(JSON.parse(text)[name]);
      }),
    );
  });

  test.each([
    ['{"a":1,"a":2}', ['a'], 2],
    ['{"a":{"b":1},"a":{}}', ['a', 'b'], undefined],
    ['{"\\u0061":"\\ud83d\\ude00\\ud83d"}', ['a'], '😀\uFFFD'],
    ['[[1,2],[3]]', ['1', '0'], 3],
    ['[1]', ['01'], undefined],
    ['[1]', ['length'], undefined],
    ['{"__proto__":1}', ['__proto__'], 1],
    ['{}', ['__proto__'], undefined],
    ['"text"', ['0'], undefined],
    ['{"a":[1, {"b": "c d"}]}', ['a'], [1, { b: 'c d' }]],
  ])('%s has at %j what is there', (text, path, value) => {
    expect(valueAt(text, path)).toEqual(value);
  });

  test('keeps a number as it was written', () => {
    const text = Buffer.from('{"n":12345678901234567890.10}');
    const { start = 0, end = 0 } = walkTo(text, ['n']) ?? {};
    expect(text.toString('utf8', start, end)).toBe('12345678901234567890.10');
  });

  test('is refused where it is nested too deep, instead of ending the agent', () => {
    expect(walks(`${'['.repeat(200)}${']'.repeat(200)}`)).toBe(true);
    expect(walks('['.repeat(100_000))).toBe(false);
  });
});

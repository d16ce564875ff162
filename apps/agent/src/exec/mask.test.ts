import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Mask, MaskedValues } from './mask.ts';

const SECRET = 'pä$$ "word"';
const base64 = Buffer.from(SECRET).toString('base64');

/** What is shown of output that comes in these pieces. */
function shown(values: readonly string[], pieces: readonly (string | Uint8Array)[]): Buffer {
  const masked = new MaskedValues();
  masked.add(values);
  const mask = new Mask(masked);
  const parts = pieces.map((piece) => mask.push(Buffer.from(piece)));
  return Buffer.concat([...parts, mask.flush()]);
}

describe('[SG-20] the mask', () => {
  test.each([
    ['a value', `a ${SECRET} b`, 'a *** b'],
    ['a value twice', `${SECRET}${SECRET}`, '******'],
    ['a value in base64', `a ${base64} b`, 'a *** b'],
    ['a value in base64 without its padding', `a ${base64.replace(/=+$/, '')}. b`, 'a ***. b'],
    ['nothing of what is only like it', `${SECRET.slice(0, -1)}-`, `${SECRET.slice(0, -1)}-`],
  ])('replaces %s', (_, output, expected) => {
    expect(shown([SECRET], [output]).toString()).toBe(expected);
  });

  test('replaces a value without the line end that its file has', () => {
    expect(shown(['from-a-file\n'], ['a from-a-file b from-a-file\n']).toString()).toBe(
      'a *** b ***',
    );
  });

  test('replaces the first of two that overlap', () => {
    expect(shown(['abcdefgh', 'hijklmno'], ['abcdefghijklmno']).toString()).toBe('***ijklmno');
  });

  test('leaves values of less than eight characters, which words would hold', () => {
    expect(shown(['1234567', '12345678'], ['1234567 12345678']).toString()).toBe('1234567 ***');
  });

  test('replaces the whole of a value that begins as another does', () => {
    expect(shown(['password', 'password-two'], ['pass', 'word-', 'two password-']).toString()).toBe(
      '*** ***-',
    );
  });

  test('replaces a value wherever it is cut, and passes every other byte as it was', () => {
    const bytes = Buffer.from([0, 255, 0xc3, 10, 27]);
    const whole = Buffer.concat([bytes, Buffer.from(SECRET), bytes]);
    fc.assert(
      fc.property(fc.array(fc.nat(whole.length), { maxLength: 6 }), (cuts) => {
        const at = [0, ...cuts.toSorted((one, other) => one - other), whole.length];
        const pieces = at.slice(1).map((end, index) => whole.subarray(at[index], end));
        const expected = Buffer.concat([bytes, Buffer.from('***'), bytes]);
        return shown([SECRET], pieces).equals(expected);
      }),
    );
  });

  test('passes any bytes that hold no value', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (pieces) =>
        shown([SECRET], pieces).equals(Buffer.concat(pieces)),
      ),
    );
  });

  test('replaces in order what overlaps and what comes again, the longest of those that begin together', () => {
    const letters = fc.constantFrom('a', 'b');
    const values = fc.array(fc.string({ unit: letters, minLength: 8, maxLength: 11 }), {
      minLength: 1,
    });
    const output = fc.array(fc.string({ unit: letters, maxLength: 60 }));
    fc.assert(
      fc.property(values, output, (secrets, pieces) => {
        const longestFirst = secrets.toSorted((one, other) => other.length - one.length);
        const expected = pieces.join('').replaceAll(RegExp(longestFirst.join('|'), 'g'), '***');
        expect(shown(secrets, pieces).toString()).toBe(expected);
      }),
    );
  });

  test('holds back no more than may be the beginning of a value', () => {
    const masked = new MaskedValues();
    masked.add([SECRET]);
    const mask = new Mask(masked);
    expect(mask.push(Buffer.from(`ready ${SECRET.slice(0, 4)}`)).toString()).toBe('ready ');
    expect(mask.push(Buffer.from('-')).toString()).toBe(`${SECRET.slice(0, 4)}-`);
  });
});

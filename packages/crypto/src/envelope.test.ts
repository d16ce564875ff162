import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { flipBit } from '../test/flip-bit.ts';
import { KEY_BYTES, open, seal, type Place } from './envelope.ts';

const key = randomBytes(KEY_BYTES);
const place: Place = {
  table: 'secret_version',
  row: 'row-1',
  field: 'value',
  group: 'group-a',
  keyVersion: 1,
};
const coordinates = ['table', 'row', 'field', 'group'] as const;
const unreadable = expect.objectContaining({ name: 'CryptoError', code: 'envelope.unreadable' });
const malformed = expect.objectContaining({ name: 'CryptoError', code: 'envelope.malformed' });

const bytes = fc.uint8Array({ maxLength: 200 });
const anyPlace: fc.Arbitrary<Place> = fc.record({
  table: fc.string(),
  row: fc.string(),
  field: fc.string(),
  group: fc.string(),
  keyVersion: fc.nat(),
});

describe('seal and open', () => {
  test('any bytes come back at any place, the empty value too', () => {
    fc.assert(
      fc.property(bytes, anyPlace, (value, where) => {
        expect(open(key, seal(key, value, where), where)).toEqual(Buffer.from(value));
      }),
    );
  });

  test('[A7-08] the same value twice gives different ciphertext', () => {
    const value = Buffer.from('hunter2');
    expect(seal(key, value, place)).not.toEqual(seal(key, value, place));
  });

  test('[A7-08] the value is not in the envelope', () => {
    const value = randomBytes(24);
    expect(Buffer.from(seal(key, value, place)).includes(value)).toBe(false);
  });

  test('[A7-09] a key of group A does not open a value of group B, even at the same place', () => {
    const envelope = seal(randomBytes(KEY_BYTES), Buffer.from('value of B'), place);
    expect(() => open(key, envelope, place)).toThrow(unreadable);
  });

  test.each([...coordinates, 'keyVersion' as const])(
    '[AT-18] a value moved to another %s fails to open',
    (coordinate) => {
      const moved =
        coordinate === 'keyVersion'
          ? { ...place, keyVersion: 2 }
          : { ...place, [coordinate]: 'elsewhere' };
      expect(() => open(key, seal(key, Buffer.from('value'), place), moved)).toThrow(unreadable);
    },
  );

  test('[AT-18] two places that are spelled the same when joined are still two places', () => {
    fc.assert(
      fc.property(anyPlace, anyPlace, (from, to) => {
        fc.pre(JSON.stringify(from) !== JSON.stringify(to));
        expect(() => open(key, seal(key, Buffer.from('value'), from), to)).toThrow(unreadable);
      }),
    );
    const shifted = { ...place, table: 'secret_versionrow', row: '-1' };
    expect(() => open(key, seal(key, Buffer.from('value'), place), shifted)).toThrow(unreadable);
  });

  test('[F-16] [AT-18] of many values, each with the key of its group and version, none opens in the place of another', () => {
    const few = fc.constantFrom('a', 'b', 'ab');
    const stored = fc.record({
      table: few,
      row: few,
      field: few,
      group: few,
      keyVersion: fc.integer({ min: 1, max: 3 }),
    });
    const places = fc.uniqueArray(stored, {
      selector: (where) => JSON.stringify(Object.values(where)),
      minLength: 2,
      maxLength: 12,
    });
    fc.assert(
      fc.property(places, bytes, (wheres, value) => {
        const keyring = new Map<string, Uint8Array>();
        const keyOf = ({ group, keyVersion }: Place) =>
          keyring.getOrInsertComputed(`${group} ${keyVersion}`, () => randomBytes(KEY_BYTES));
        const rows = wheres.map((where) => ({ where, sealed: seal(keyOf(where), value, where) }));
        for (const from of rows)
          for (const to of rows) {
            const opening = () => open(keyOf(to.where), from.sealed, to.where);
            if (from === to) expect(opening()).toEqual(Buffer.from(value));
            else expect(opening).toThrow(unreadable);
          }
      }),
    );
  });

  test('[F-16] [AT-18] nonce, tag and ciphertext of two values that were sealed for one place are not interchangeable', () => {
    const parts = [
      { from: 1, to: 13 },
      { from: 13, to: 29 },
      { from: 29, to: undefined },
    ];
    // Long enough that no two ciphertexts are the same by chance.
    const value = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(value, value, anyPlace, fc.constantFrom(...parts), (one, other, where, part) => {
        const mixed = seal(key, one, where);
        const source = seal(key, other, where);
        mixed.set(source.subarray(part.from, part.to), part.from);
        expect(() => open(key, mixed, where)).toThrow(unreadable);
      }),
    );
  });

  test('one flipped bit anywhere fails to open', () => {
    const envelope = seal(key, Buffer.from('value'), place);
    for (let bit = 0; bit < envelope.byteLength * 8; bit += 1) {
      expect(() => open(key, flipBit(envelope, bit), place)).toThrow(
        bit < 8 ? malformed : unreadable,
      );
    }
  });

  test('an envelope that was cut or lengthened fails to open', () => {
    const envelope = seal(key, Buffer.from('value'), place);
    for (let length = 0; length < envelope.byteLength; length += 1) {
      expect(() => open(key, envelope.subarray(0, length), place)).toThrow(
        length < 29 ? malformed : unreadable,
      );
    }
    expect(() => open(key, Buffer.concat([envelope, Buffer.of(0)]), place)).toThrow(unreadable);
  });

  test('an error names the place and not the value', () => {
    const envelope = seal(key, Buffer.from('canary'), place);
    expect(() => open(key, flipBit(envelope, 200), place)).toThrow(
      /secret_version\.value(?!.*canary)/,
    );
  });
});

/** Envelopes of format 1 as databases hold them: they must open, or fail in the same way, for ever. */
describe('vectors', () => {
  const vectorKey = Buffer.from(
    '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',
    'hex',
  );
  const vectors = [
    {
      name: 'a value',
      hex: '01000102030405060708090a0bd5859658ca36d6f65f3e861da15d9a013463ba77bc95ad69f9',
      outcome: 'sallyport',
    },
    {
      name: 'the empty value',
      hex: '01000102030405060708090a0b58a72e7f1192bf482adcfe0dcb84743b',
      outcome: '',
    },
    {
      name: 'another format',
      hex: '02000102030405060708090a0bd5859658ca36d6f65f3e861da15d9a013463ba77bc95ad69f9',
      outcome: malformed,
    },
    { name: 'no tag', hex: '01000102030405060708090a0b', outcome: malformed },
    { name: 'nothing', hex: '', outcome: malformed },
    {
      name: 'a tag of zeroes',
      hex: '01000102030405060708090a0b000000000000000000000000000000003463ba77bc95ad69f9',
      outcome: unreadable,
    },
  ];

  test.each(vectors)('$name', ({ hex, outcome }) => {
    const opening = () => open(vectorKey, Buffer.from(hex, 'hex'), place).toString('utf8');
    if (typeof outcome === 'string') expect(opening()).toBe(outcome);
    else expect(opening).toThrow(outcome);
  });
});

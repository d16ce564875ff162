import { randomUUID } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatToken, mintToken, parseToken, type TokenKind } from './token.ts';

const malformed = expect.objectContaining({ name: 'CryptoError', code: 'token.malformed' });
const kinds: TokenKind[] = ['enroll', 'session'];
const minted = fc
  .tuple(fc.constantFrom(...kinds), fc.uuid())
  .map(([kind, id]) => mintToken(kind, id));

describe('tokens', () => {
  test('what is minted is what is read back', () => {
    fc.assert(
      fc.property(minted, (token) =>
        expect(parseToken(formatToken(token), token.kind)).toEqual(token),
      ),
    );
  });

  test('a token has a fixed prefix, its row, 256 bits in base62 and a checksum, in one shape', () => {
    fc.assert(
      fc.property(minted, (token) => {
        const text = formatToken(token);
        expect(text).toMatch(/^sp_(enroll|session)_[0-9a-f]{32}_[0-9A-Za-z]{49}$/);
        expect(text.startsWith(`sp_${token.kind}_${token.id.replaceAll('-', '')}_`)).toBe(true);
      }),
    );
  });

  test('two tokens of one row have different secrets', () => {
    const id = randomUUID();
    expect(mintToken('enroll', id).secret).not.toBe(mintToken('enroll', id).secret);
  });

  test('every edit of one character is refused', () => {
    const text = formatToken(mintToken('enroll', randomUUID()));
    for (let at = 0; at < text.length; at += 1) {
      for (const character of '09azAZ_- \n$ß') {
        if (character === text[at]) continue;
        const edited = text.slice(0, at) + character + text.slice(at + 1);
        expect(() => parseToken(edited, 'enroll')).toThrow(malformed);
      }
    }
  });

  test('a token that was cut, lengthened, or had two neighbours swapped is refused', () => {
    const text = formatToken(mintToken('enroll', randomUUID()));
    for (let at = 0; at < text.length; at += 1) {
      expect(() => parseToken(text.slice(0, at), 'enroll')).toThrow(malformed);
      expect(() => parseToken(text.slice(0, at) + text.slice(at + 1), 'enroll')).toThrow(malformed);
      const swapped = text.slice(0, at) + (text[at + 1] ?? '') + text[at] + text.slice(at + 2);
      if (swapped !== text) expect(() => parseToken(swapped, 'enroll')).toThrow(malformed);
    }
    for (const longer of [`${text}0`, `${text}\n`, ` ${text}`]) {
      expect(() => parseToken(longer, 'enroll')).toThrow(malformed);
    }
  });

  test('any other text is refused, and never repeated in the error', () => {
    fc.assert(
      fc.property(fc.string(), (text) =>
        expect(() => parseToken(text, 'enroll')).toThrow(malformed),
      ),
    );
    expect(() => parseToken('sp_enroll_canary', 'enroll')).toThrow(/^(?!.*canary)/);
  });

  test.each([
    ['enroll', 'session'],
    ['session', 'enroll'],
  ] as const)('a token of kind %s is refused where one of kind %s is needed', (kind, needed) => {
    const text = formatToken(mintToken(kind, randomUUID()));
    expect(() => parseToken(text, needed)).toThrow(malformed);
    expect(() => parseToken(text, needed)).toThrow(`sp_${needed}_`);
  });
});

/** Tokens as operators have written them down: they must be read, or refused, in the same way for ever. */
describe('vectors', () => {
  const id = '01890a5d-ac96-774b-bcce-b302099a8057';
  const vectors = [
    {
      name: 'a token',
      text: 'sp_enroll_01890a5dac96774bbcceb302099a8057_jlVCbVPKsaX1V6H4NkY1oLEgLEQ0YoJuPyoETRnM1dN0Ldw5h',
      outcome: id,
    },
    {
      name: 'a secret of zeroes',
      text: 'sp_enroll_01890a5dac96774bbcceb302099a8057_00000000000000000000000000000000000000000003dCbVG',
      outcome: id,
    },
    {
      name: 'a checksum of zeroes',
      text: 'sp_enroll_01890a5dac96774bbcceb302099a8057_jlVCbVPKsaX1V6H4NkY1oLEgLEQ0YoJuPyoETRnM1dN000000',
      outcome: malformed,
    },
    {
      name: 'upper case',
      text: 'SP_ENROLL_01890A5DAC96774BBCCEB302099A8057_JLVCBVPKSAX1V6H4NKY1OLEGLEQ0YOJUPYOETRNM1DN0LDW5H',
      outcome: malformed,
    },
    {
      name: 'an unknown kind',
      text: 'sp_apikey_01890a5dac96774bbcceb302099a8057_jlVCbVPKsaX1V6H4NkY1oLEgLEQ0YoJuPyoETRnM1dN1tm9Rk',
      outcome: malformed,
    },
  ];

  test.each(vectors)('$name', ({ text, outcome }) => {
    const parsing = () => parseToken(text, 'enroll').id;
    if (typeof outcome === 'string') expect(parsing()).toBe(outcome);
    else expect(parsing).toThrow(outcome);
  });
});

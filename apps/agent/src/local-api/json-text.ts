import { zeroable } from '../host/zeroable.ts';

const BACKSLASH = 0x5c;
const QUOTE = 0x22;
const LETTER_U = 0x75;
const REPLACEMENT = 0xfffd;

/** What the two-character escapes of RFC 8259, section 7, stand for, by their second byte. */
const escapes: ReadonlyMap<number, number> = new Map(
  [
    ['b', 0x08],
    ['f', 0x0c],
    ['n', 0x0a],
    ['r', 0x0d],
    ['t', 0x09],
  ].map(([letter, byte]) => [String(letter).charCodeAt(0), Number(byte)]),
);

/**
 * What is between the quotes of a JSON string, as UTF-8. The text is known to be well formed; half of a surrogate
 * pair becomes U+FFFD, as it does wherever JavaScript encodes one. The caller zeroes what it gets.
 */
export function unescaped(text: Buffer): Buffer {
  const output = zeroable(text.byteLength);
  let end = 0;
  for (let at = 0; at < text.byteLength;) {
    const byte = text[at] ?? 0;
    if (byte !== BACKSLASH) {
      output[end++] = byte;
      at += 1;
      continue;
    }
    const letter = text[at + 1] ?? 0;
    if (letter !== LETTER_U) {
      output[end++] = escapes.get(letter) ?? letter;
      at += 2;
      continue;
    }
    const { point, length } = codePointAt(text, at);
    end = writeCodePoint(point, output, end);
    at += length;
  }
  return output.subarray(0, end);
}

/** `\uXXXX`, or two of them that are a pair. Three bytes of UTF-8 are less than six of the escape. */
function codePointAt(text: Buffer, at: number): { point: number; length: number } {
  const first = unitAt(text, at);
  if (first < 0xd800 || first > 0xdfff) return { point: first, length: 6 };
  const isFollowed = text[at + 6] === BACKSLASH && text[at + 7] === LETTER_U;
  const second = isFollowed ? unitAt(text, at + 6) : 0;
  if (first > 0xdbff || second < 0xdc00 || second > 0xdfff)
    return { point: REPLACEMENT, length: 6 };
  return { point: 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00), length: 12 };
}

function unitAt(text: Buffer, at: number): number {
  let unit = 0;
  for (const digit of text.subarray(at + 2, at + 6))
    unit = unit * 16 + (digit <= 0x39 ? digit - 0x30 : (digit | 0x20) - 0x57);
  return unit;
}

/** UTF-8 (RFC 3629, section 3). Returns where it ends. */
function writeCodePoint(point: number, output: Buffer, start: number): number {
  const following = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x1_0000 ? 2 : 3;
  const lead = [0x00, 0xc0, 0xe0, 0xf0][following] ?? 0;
  output[start] = lead | (point >> (6 * following));
  for (let left = following - 1, at = start + 1; left >= 0; left -= 1, at += 1)
    output[at] = 0x80 | ((point >> (6 * left)) & 0x3f);
  return start + following + 1;
}

/** JSON without the whitespace between its tokens. The caller zeroes what it gets. */
export function compacted(json: Buffer): Buffer {
  const output = zeroable(json.byteLength);
  let end = 0;
  let isInString = false;
  for (let at = 0; at < json.byteLength; at += 1) {
    const byte = json[at] ?? 0;
    if (!isInString && byte <= 0x20) continue;
    output[end++] = byte;
    if (byte === QUOTE) isInString = !isInString;
    if (byte === BACKSLASH) output[end++] = json[(at += 1)] ?? 0;
  }
  return output.subarray(0, end);
}

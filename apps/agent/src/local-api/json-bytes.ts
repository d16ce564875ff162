const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const FIRST_PRINTABLE = 0x20;

/** The two-character escapes of RFC 8259, section 7, by the byte they stand for. */
const shortEscapes: ReadonlyMap<number, number> = new Map(
  [
    [QUOTE, '"'],
    [BACKSLASH, '\\'],
    [0x08, 'b'],
    [0x09, 't'],
    [0x0a, 'n'],
    [0x0c, 'f'],
    [0x0d, 'r'],
  ].map(([byte, letter]) => [Number(byte), String(letter).charCodeAt(0)]),
);

/**
 * `prefix + JSON.stringify(text).slice(1, -1) + suffix` for text given as UTF-8 bytes: what goes between two
 * quotes. The text never becomes a string, of which nobody could zero the copies.
 */
export function jsonAround(prefix: string, text: Uint8Array, suffix: string): Buffer {
  const prefixBytes = Buffer.byteLength(prefix);
  const output = Buffer.allocUnsafe(prefixBytes + escapedLength(text) + Buffer.byteLength(suffix));
  output.write(prefix);
  const end = writeEscaped(text, output, prefixBytes);
  output.write(suffix, end);
  return output;
}

function escapedLength(text: Uint8Array): number {
  let length = text.byteLength;
  for (const byte of text) {
    if (needsEscape(byte)) length += shortEscapes.has(byte) ? 1 : 5;
  }
  return length;
}

function writeEscaped(text: Uint8Array, output: Buffer, start: number): number {
  let offset = start;
  for (const byte of text) {
    if (!needsEscape(byte)) {
      output[offset++] = byte;
      continue;
    }
    const letter = shortEscapes.get(byte);
    output[offset++] = BACKSLASH;
    if (letter === undefined)
      offset += output.write(`u00${byte.toString(16).padStart(2, '0')}`, offset);
    else output[offset++] = letter;
  }
  return offset;
}

function needsEscape(byte: number): boolean {
  return byte < FIRST_PRINTABLE || byte === QUOTE || byte === BACKSLASH;
}

import { unescaped } from './json-text.ts';

/** Where a value stands in its text, and whether it is a string, whose quotes are part of it. */
export type Span = { start: number; end: number; isText: boolean };

/** JSON.parse goes deeper, but no configuration does. */
const MAX_DEPTH = 256;

const code = (letter: string): number => letter.charCodeAt(0);
const codesOf = (letters: string): ReadonlySet<number> => new Set(Buffer.from(letters));
const QUOTE = code('"');
const BACKSLASH = code('\\');
const COMMA = code(',');
const COLON = code(':');
const OPEN_OBJECT = code('{');
const CLOSE_OBJECT = code('}');
const OPEN_ARRAY = code('[');
const CLOSE_ARRAY = code(']');
const ZERO = code('0');
const NINE = code('9');
const MINUS = code('-');
const PLUS = code('+');
const POINT = code('.');
const LETTER_U = code('u');
const FIRST_PRINTABLE = 0x20;
const WHITESPACE = codesOf(' \t\n\r');
const ESCAPES = codesOf('"\\/bfnrt');
const EXPONENT = codesOf('eE');
const HEX = codesOf('0123456789abcdefABCDEF');
const WORDS = ['true', 'false', 'null'].map((word) => Buffer.from(word));

/**
 * Finds one value in JSON (RFC 8259) without making strings of it, whose copies nobody could zero: the names of
 * members alone become strings. The whole text is held against the grammar. Of a name that is there twice the last
 * counts, as for JSON.parse. Undefined where there is no such value; throws a SyntaxError that quotes nothing.
 */
export function walkTo(text: Uint8Array, path: readonly string[]): Span | undefined {
  const walk = new Walk(text);
  const found = walk.value(path, 0);
  walk.end();
  return found;
}

class Walk {
  readonly #text: Buffer;
  #at = 0;

  constructor(text: Uint8Array) {
    this.#text = Buffer.from(text.buffer, text.byteOffset, text.byteLength);
  }

  /** `path` leads from here to what is wanted; undefined: nothing in here is. */
  value(path: readonly string[] | undefined, depth: number): Span | undefined {
    if (depth > MAX_DEPTH) throw new SyntaxError('nested too deep');
    this.#skipWhitespace();
    const start = this.#at;
    const first = this.#text[start];
    let found: Span | undefined;
    if (first === OPEN_OBJECT) found = this.#members(path, depth);
    else if (first === OPEN_ARRAY) found = this.#elements(path, depth);
    else if (first === QUOTE) this.#string();
    else if (first === MINUS || isDigit(first)) this.#number();
    else this.#word();
    return path?.length === 0 ? { start, end: this.#at, isText: first === QUOTE } : found;
  }

  end(): void {
    this.#skipWhitespace();
    if (this.#at !== this.#text.byteLength) throw new SyntaxError('something follows the value');
  }

  #members(path: readonly string[] | undefined, depth: number): Span | undefined {
    let found: Span | undefined;
    this.#list(CLOSE_OBJECT, () => {
      const name = this.#name();
      this.#skipWhitespace();
      this.#take(COLON);
      const isWanted = path !== undefined && path.length > 0 && name === path[0];
      const inside = this.value(isWanted ? path.slice(1) : undefined, depth + 1);
      if (isWanted) found = inside;
    });
    return found;
  }

  #elements(path: readonly string[] | undefined, depth: number): Span | undefined {
    let found: Span | undefined;
    this.#list(CLOSE_ARRAY, (index) => {
      const isWanted = path !== undefined && path.length > 0 && String(index) === path[0];
      const inside = this.value(isWanted ? path.slice(1) : undefined, depth + 1);
      if (isWanted) found = inside;
    });
    return found;
  }

  #list(close: number, item: (index: number) => void): void {
    this.#at += 1;
    this.#skipWhitespace();
    if (this.#takes(close)) return;
    for (let index = 0; ; index += 1) {
      item(index);
      this.#skipWhitespace();
      if (this.#takes(close)) return;
      this.#take(COMMA);
      this.#skipWhitespace();
    }
  }

  #name(): string {
    const start = this.#at;
    if (this.#text[start] !== QUOTE) throw new SyntaxError('a name is missing');
    this.#string();
    return unescaped(this.#text.subarray(start + 1, this.#at - 1)).toString();
  }

  #string(): void {
    this.#at += 1;
    for (;;) {
      const byte = this.#text[this.#at] ?? 0;
      if (byte < FIRST_PRINTABLE) throw new SyntaxError('a string does not end');
      this.#at += 1;
      if (byte === QUOTE) return;
      if (byte === BACKSLASH) this.#escape();
    }
  }

  #escape(): void {
    if (this.#takes(LETTER_U)) for (let digits = 0; digits < 4; digits += 1) this.#takeOf(HEX);
    else this.#takeOf(ESCAPES);
  }

  #number(): void {
    this.#takes(MINUS);
    if (!this.#takes(ZERO)) this.#digits();
    if (this.#takes(POINT)) this.#digits();
    if (!EXPONENT.has(this.#text[this.#at] ?? 0)) return;
    this.#at += 1;
    if (!this.#takes(PLUS)) this.#takes(MINUS);
    this.#digits();
  }

  #digits(): void {
    const start = this.#at;
    while (isDigit(this.#text[this.#at])) this.#at += 1;
    if (this.#at === start) throw new SyntaxError('a digit is missing');
  }

  #word(): void {
    const word = WORDS.find((each) =>
      this.#text.subarray(this.#at, this.#at + each.byteLength).equals(each),
    );
    if (word === undefined) throw new SyntaxError('a value is missing');
    this.#at += word.byteLength;
  }

  #skipWhitespace(): void {
    while (WHITESPACE.has(this.#text[this.#at] ?? 0)) this.#at += 1;
  }

  #takes(byte: number): boolean {
    if (this.#text[this.#at] !== byte) return false;
    this.#at += 1;
    return true;
  }

  #take(byte: number): void {
    if (!this.#takes(byte)) throw new SyntaxError('a sign is missing');
  }

  #takeOf(bytes: ReadonlySet<number>): void {
    if (!bytes.has(this.#text[this.#at] ?? 0)) throw new SyntaxError('an escape is unknown');
    this.#at += 1;
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}

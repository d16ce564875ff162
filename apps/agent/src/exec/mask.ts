/** Shorter ones would be found in what is no secret. */
const MIN_LENGTH = 8;
const REPLACEMENT = '***';

/** What is not to be seen in a command's output: values, and each in base64. Only ever gets more. */
export class MaskedValues {
  /** As texts of one character for each byte, the longest first. */
  #needles: readonly string[] = [];

  add(values: Iterable<string>): void {
    const all = new Set(this.#needles);
    // Without the line end that files have, too: a shell takes it off.
    for (const value of [...values].flatMap((whole) => [whole, whole.trim()])) {
      if (value.length < MIN_LENGTH) continue;
      const bytes = Buffer.from(value);
      const base64 = bytes.toString('base64');
      const shown = [bytes.toString('latin1'), base64, base64.replace(/=+$/, '')];
      for (const needle of [...shown, bytes.toString('base64url')]) all.add(needle);
    }
    this.#needles = [...all].sort((one, other) => other.length - one.length);
  }

  get needles(): readonly string[] {
    return this.#needles;
  }
}

/**
 * Replaces values in a stream of bytes, also those that come in pieces; every other byte passes as it is. What
 * may be the beginning of a value is held back, at most the longest one less a byte.
 */
export class Mask {
  readonly #masked: MaskedValues;
  #held = '';

  constructor(masked: MaskedValues) {
    this.#masked = masked;
  }

  /** What of the bytes so far can be shown. */
  push(chunk: Uint8Array): Buffer {
    const text = this.#held + Buffer.from(chunk).toString('latin1');
    return this.#show(text, false);
  }

  /** What was held back; no piece of a value that comes later is known for one. */
  flush(): Buffer {
    return this.#show(this.#held, true);
  }

  #show(text: string, isWhole: boolean): Buffer {
    const { needles } = this.#masked;
    const next = new NextFound(text, needles);
    let shown = '';
    let from = 0;
    let end = isWhole ? text.length : openEnd(text, from, needles);
    for (;;) {
      const found = next.from(from);
      if (found === undefined || found.index >= end) {
        this.#held = text.slice(end);
        return Buffer.from(shown + text.slice(from, end), 'latin1');
      }
      shown += text.slice(from, found.index) + REPLACEMENT;
      from = found.index + found.needle.length;
      if (end < from) end = openEnd(text, from, needles);
    }
  }
}

type Found = { index: number; needle: string };

/** Where needles are in a text that is gone through once: each is looked for again only when it has been passed. */
class NextFound {
  readonly #text: string;
  readonly #needles: readonly string[];
  readonly #indexes: number[];

  constructor(text: string, needles: readonly string[]) {
    this.#text = text;
    this.#needles = needles;
    this.#indexes = needles.map((needle) => indexOf(text, needle, 0));
  }

  /** The first needle from there on, and of those that begin at the same place the longest. */
  from(from: number): Found | undefined {
    let first: Found | undefined;
    for (const [at, needle] of this.#needles.entries()) {
      let index = this.#indexes[at] ?? Infinity;
      if (index < from) index = this.#indexes[at] = indexOf(this.#text, needle, from);
      if (index < (first?.index ?? Infinity)) first = { index, needle };
    }
    return first;
  }
}

/** Infinity where it is not. */
function indexOf(text: string, needle: string, from: number): number {
  const index = text.indexOf(needle, from);
  return index === -1 ? Infinity : index;
}

/** Where the rest of the text may be the beginning of a needle; its length where it cannot be. */
function openEnd(text: string, from: number, needles: readonly string[]): number {
  const longest = needles[0]?.length ?? 0;
  for (let at = Math.max(from, text.length - longest + 1); at < text.length; at += 1) {
    const rest = text.slice(at);
    if (needles.some((needle) => needle.length > rest.length && needle.startsWith(rest))) return at;
  }
  return text.length;
}

/** How long everybody who asks for the same gets the same bytes: many reads at a time open a value once. */
const SHARED_MS = 10;
/** How much memory shared replies may take; a reply beyond that is its reader's alone. */
const MAX_SHARED_BYTES = 4 * 1024 * 1024;

type Body = { bytes: Buffer; readers: number; isOver: boolean };

/** The bytes of a reply, and what tells that they are with their reader. */
export type Lent = { bytes: Buffer; release: () => void };

/**
 * Replies in plaintext. Each is zeroed once its last reader has it, and no later than that and ten milliseconds
 * after it was opened.
 */
export class SharedBodies {
  readonly #bodies = new Map<string, Body>();
  #bytes = 0;
  #over: NodeJS.Timeout | undefined;

  /** What `make` makes, or made a moment ago for the same key. It is zeroed here, not by who made it. */
  lend(key: string, make: () => Buffer): Lent {
    const body = this.#bodies.get(key) ?? this.#keep(key, make());
    body.readers += 1;
    return { bytes: body.bytes, release: () => release(body) };
  }

  /** Nothing is shared any more. */
  forget(): void {
    clearTimeout(this.#over);
    this.#over = undefined;
    this.#bytes = 0;
    for (const body of this.#bodies.values()) end(body);
    this.#bodies.clear();
  }

  #keep(key: string, bytes: Buffer): Body {
    const isOver = this.#bytes + bytes.byteLength > MAX_SHARED_BYTES;
    const body = { bytes, readers: 0, isOver };
    if (isOver) return body;
    this.#bodies.set(key, body);
    this.#bytes += bytes.byteLength;
    this.#over ??= setTimeout(() => this.forget(), SHARED_MS);
    return body;
  }
}

function release(body: Body): void {
  body.readers -= 1;
  if (body.isOver && body.readers === 0) body.bytes.fill(0);
}

function end(body: Body): void {
  body.isOver = true;
  if (body.readers === 0) body.bytes.fill(0);
}

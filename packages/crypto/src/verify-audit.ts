import type { ChainHead } from './audit-chain.ts';
import { linkHash } from './audit-chain.ts';
import type { JsonValue } from './canonical-json.ts';

/**
 * What is wrong with a chain.
 *
 * - `edited`: the event, or the hash beside it, is not what was recorded
 * - `deleted`: there is nothing at this position
 * - `reordered`: what belongs here stands elsewhere
 * - `truncated`: a checkpoint names a later position than the last
 * - `rewritten`: a checkpoint names another hash: all up to here may have been written anew
 */
export type ChainBreakKind = 'edited' | 'deleted' | 'reordered' | 'truncated' | 'rewritten';

/** The first thing that is wrong, at the position where it shows. */
export type ChainBreak = { kind: ChainBreakKind; position: number };

/** A link as it was found; without `event` when that is gone. */
export type FoundLink = ChainHead & { event?: JsonValue | undefined };

export type ChainVerdict =
  | { intact: true; head: ChainHead; checkpoints: number }
  | { intact: false; break: ChainBreak };

/** A break, and what would have to stand there: a later link may turn out to hold it. */
type Suspect = ChainBreak & { expected?: { previous: string; hash: string } };

/** Checks a chain link by link, in memory that does not grow with it. */
export class ChainVerifier {
  readonly #checkpoints: ChainHead[] = [];
  #head: ChainHead;
  #suspect: Suspect | undefined;
  #met = 0;

  constructor(base: ChainHead, checkpoints: readonly ChainHead[] = []) {
    this.#head = base;
    this.expect(checkpoints);
  }

  /**
   * Names heads that were signed, in the order of their positions, before the links of those positions are
   * given. Those before where the chain stands prove nothing any more, and are passed over.
   */
  expect(checkpoints: readonly ChainHead[]): void {
    const { position: from } = this.#head;
    this.#checkpoints.push(...checkpoints.filter(({ position }) => position >= from));
    this.#meetCheckpoints();
  }

  /** How far it is intact. */
  get head(): ChainHead {
    return this.#head;
  }

  add(link: FoundLink): void {
    if (this.#suspect !== undefined) this.#look(this.#suspect, link);
    else this.#follow(link);
  }

  /** What was found, once every link was given. */
  end(): ChainVerdict {
    const { position } = this.#head;
    if (this.#suspect === undefined && this.#checkpoints.length > 0)
      this.#suspect = { kind: 'truncated', position: position + 1 };
    if (this.#suspect === undefined)
      return { intact: true, head: this.#head, checkpoints: this.#met };
    return {
      intact: false,
      break: { kind: this.#suspect.kind, position: this.#suspect.position },
    };
  }

  #follow({ position, hash, event }: FoundLink): void {
    const next = this.#head.position + 1;
    const { hash: previous } = this.#head;
    if (position < next) this.#suspect = { kind: 'reordered', position };
    else if (position > next || event === undefined)
      this.#suspect = { kind: 'deleted', position: next };
    else if (!isHashOf(hash, previous, position, event))
      this.#suspect = { kind: 'edited', position, expected: { previous, hash } };
    else {
      this.#head = { position, hash };
      this.#meetCheckpoints();
    }
  }

  /** Tells what was moved from what is gone. */
  #look(suspect: Suspect, { position, event }: FoundLink): void {
    const { kind, expected } = suspect;
    const isThere =
      kind === 'deleted'
        ? position === suspect.position
        : kind === 'edited' &&
          event !== undefined &&
          expected !== undefined &&
          isHashOf(expected.hash, expected.previous, suspect.position, event);
    if (isThere) this.#suspect = { kind: 'reordered', position: suspect.position };
  }

  #meetCheckpoints(): void {
    const { position, hash } = this.#head;
    while (this.#checkpoints[0]?.position === position) {
      if (this.#checkpoints.shift()?.hash !== hash) this.#suspect = { kind: 'rewritten', position };
      this.#met += 1;
    }
  }
}

/** What has no text that could be hashed was never recorded. */
function isHashOf(hash: string, previous: string, position: number, event: JsonValue): boolean {
  try {
    return linkHash(previous, position, event) === hash;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}

import type { HeldEntry } from '../cache/value-cache.ts';
import { elapsedMs, later, type Clock, type Moment } from '../clock.ts';

/** What is not to be held is asked for again no sooner. */
const UNHELD_MS = 30_000;
/** By up to this part of its time a question comes later: agents that were started together do not go on asking together. */
const JITTER = 0.25;

type Followed = { of: string; dueAt: Moment; mark: string | undefined; isLost: boolean };

/**
 * The references that programs have asked for: when each is to be asked for again, and whether what it leads to then
 * is news. Of values there are marks alone. Whoever drops what is not held any more bounds their number.
 */
export class FollowedReferences {
  readonly #random: () => number;
  readonly #followed = new Map<string, Followed>();

  constructor(random: () => number) {
    this.#random = random;
  }

  names(): string[] {
    return [...this.#followed.keys()];
  }

  isDue(name: string, clock: Pick<Clock, 'now' | 'monotonic'>): boolean {
    const followed = this.#followed.get(name);
    return followed !== undefined && elapsedMs(clock, followed.dueAt) >= 0;
  }

  /** It is asked for at `at`; what it leads to is held for `cachedMs`. */
  asked({ name, etag: of }: HeldEntry, at: Moment, cachedMs: number): void {
    const before = this.#followed.get(name);
    const { mark, isLost } = before?.of === of ? before : { mark: undefined, isLost: false };
    const dueAt = later(at, (cachedMs || UNHELD_MS) * (1 + JITTER * this.#random()));
    this.#followed.set(name, { of, dueAt, mark, isLost });
  }

  /** What it leads to now. Returns whether programs may have another value, or none. */
  found({ name, etag: of }: HeldEntry, mark: string): boolean {
    const followed = this.#followed.get(name);
    if (followed?.of !== of) return false;
    const isOther = followed.mark !== undefined && followed.mark !== mark;
    this.#followed.set(name, { ...followed, mark, isLost: false });
    return isOther || followed.isLost;
  }

  /** It leads to nothing, or may not be read: programs were told so, and not what comes after it. */
  lost({ name, etag: of }: HeldEntry): void {
    const followed = this.#followed.get(name);
    if (followed?.of === of) this.#followed.set(name, { ...followed, isLost: true });
  }

  drop(name: string): void {
    this.#followed.delete(name);
  }

  wipe(): void {
    this.#followed.clear();
  }
}

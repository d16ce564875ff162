import { resourceName } from '@sallyport/contract';
import { z } from 'zod';

/** A name, everything below one as `db/*`, or `*` for everything. */
export const namePattern = z
  .string()
  .refine(isPattern, 'name one, all below it as in db/*, or * for all');

/** The names that patterns stand for. */
export class NameSet {
  readonly #names = new Set<string>();
  readonly #prefixes: string[] = [];

  constructor(patterns: readonly string[]) {
    for (const pattern of patterns) {
      if (pattern.endsWith('*')) this.#prefixes.push(pattern.slice(0, -1));
      else this.#names.add(pattern);
    }
  }

  /** Whether every name that a pattern stands for is among these. */
  covers(pattern: string): boolean {
    if (!pattern.endsWith('*')) return this.has(pattern);
    const below = pattern.slice(0, -1);
    return this.#prefixes.some((prefix) => below.startsWith(prefix));
  }

  has(name: string): boolean {
    return this.#names.has(name) || this.#prefixes.some((prefix) => name.startsWith(prefix));
  }
}

function isPattern(text: string): boolean {
  return text === '*' || resourceName.safeParse(text.replace(/\/\*$/, '')).success;
}

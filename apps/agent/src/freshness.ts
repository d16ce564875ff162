import { z } from 'zod';
import { NameSet, namePattern } from './name-patterns.ts';
import type { Contact } from './sync/contact.ts';

export const cacheSeconds = z.int().min(0).max(86_400);
export const staleSeconds = z.int().min(0).max(604_800);

const entry = z
  .strictObject({
    secrets: z.array(namePattern).min(1).max(100).meta({
      description:
        'Secrets that the entry is for: names, all below one as in db/*, or *; the first entry that names a secret counts',
    }),
    maxStaleSeconds: z.int().min(0).max(31_536_000).optional().meta({
      description:
        'Seconds without the control plane after which such a secret is not served until that is back; 0: at once; unset: as maxStaleSeconds says',
    }),
    cacheSeconds: cacheSeconds
      .optional()
      .meta({ description: 'Of such a reference, in place of references.cacheSeconds' }),
    staleSeconds: staleSeconds
      .optional()
      .meta({ description: 'Of such a reference, in place of references.staleSeconds' }),
  })
  .refine(
    (limits) =>
      (limits.maxStaleSeconds ?? limits.cacheSeconds ?? limits.staleSeconds) !== undefined,
    {
      message: 'set maxStaleSeconds, cacheSeconds or staleSeconds, or leave the entry out',
    },
  );

/** How old some secrets may be, where that is not how old all may be. */
export const freshnessSettings = z.array(entry).max(64).default([]);

export type FreshnessSettings = z.output<typeof freshnessSettings>;
type Limits = Omit<FreshnessSettings[number], 'secrets'>;

const NONE: Limits = {};

/** What never counts, since an earlier entry is for all of it; keys alone. */
export function freshnessWarnings(settings: FreshnessSettings): string[] {
  const earlier: NameSet[] = [];
  return settings.flatMap(({ secrets }, index) => {
    const told = secrets.flatMap((pattern, position) => {
      const first = earlier.findIndex((names) => names.covers(pattern));
      if (first === -1) return [];
      return [
        `freshness[${index}].secrets[${position}] never counts, since freshness[${first}] is for all of it; put the narrower entry first, or leave it out`,
      ];
    });
    earlier.push(new NameSet(secrets));
    return told;
  });
}

/** How old each secret may be: as the first entry says that names it. */
export class Freshness {
  readonly #entries: readonly { names: NameSet; limits: Limits }[];

  constructor(settings: FreshnessSettings) {
    this.#entries = settings.map(({ secrets, ...limits }) => ({
      names: new NameSet(secrets),
      limits,
    }));
  }

  /** What is set for a secret; the rest is as for all. */
  of(name: string): Limits {
    return this.#entries.find(({ names }) => names.has(name))?.limits ?? NONE;
  }

  /** Whether a secret that is held is not to be served: it is stale, and as old as it may be, or older. */
  withholds(name: string, contact: Pick<Contact, 'ageSeconds' | 'staleSinceMs'>): boolean {
    // Most agents have no entries, and most values are current: neither is looked up.
    if (this.#entries.length === 0 || contact.staleSinceMs() === undefined) return false;
    const { maxStaleSeconds } = this.of(name);
    return maxStaleSeconds !== undefined && contact.ageSeconds() >= maxStaleSeconds;
  }
}

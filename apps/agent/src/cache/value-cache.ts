import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Place } from '@sallyport/crypto/envelope';
import { KeyMemory } from '../host/key-memory.ts';
import { zeroBundle, type EntryKind, type OpenedBundle } from '../sync/open-bundle.ts';
import { openValue, sealValue } from './sealed-value.ts';

/** What applications may know of an entry without its value. */
export type CachedEntry = { kind: EntryKind; name: string; version: number };

/** One entry that a revision brought, changed or removed. */
export type Change = CachedEntry & { removed: boolean };

/** An entry as it is held; `etag` (RFC 9110, section 8.8.3) is another one for every other value. */
export type HeldEntry = CachedEntry & { etag: string };

/** `mark` tells equal values from others without opening them. */
type SealedEntry = HeldEntry & { sealed: Uint8Array; mark: Buffer };
type Snapshot = {
  revision: number;
  epoch: number;
  complete: boolean;
  entries: Record<EntryKind, Map<string, SealedEntry>>;
};

/**
 * The values of the revision the agent runs, each AES-256-GCM sealed in memory under a key of this process. What
 * a revision leaves as it was is not sealed again; what it replaces is zeroed, and `wipe` zeroes all
 * of it, and the keys.
 */
export class ValueCache {
  readonly #group: string;
  readonly #keyMemory: KeyMemory;
  #snapshot: Snapshot | undefined;
  #keys: { sealing: Uint8Array; marking: Uint8Array } | undefined;

  constructor(group: string, keyMemory = KeyMemory.ordinary()) {
    this.#group = group;
    this.#keyMemory = keyMemory;
  }

  /** Swaps a revision in as a whole, zeroes its plaintext, and returns what differs from the one before. */
  replace(bundle: OpenedBundle): Change[] {
    const before = this.#snapshot;
    const after = this.#sealChanged(bundle);
    const brought = [...allOf(after)].filter((entry) => heldBy(before, entry) !== entry);
    const dropped = [...allOf(before)].filter((entry) => heldBy(after, entry) !== entry);
    this.#snapshot = after;
    for (const { sealed } of dropped) sealed.fill(0);
    zeroBundle(bundle);
    const removed = dropped.filter((entry) => heldBy(after, entry) === undefined);
    return [
      ...brought.map((entry) => ({ ...shown(entry), removed: false })),
      ...removed.map((entry) => ({ ...shown(entry), removed: true })),
    ];
  }

  /** Undefined until the first bundle, and after `wipe`. `complete` is false while live values are missing. */
  revision(): { revision: number; epoch: number; complete: boolean } | undefined {
    return this.#snapshot;
  }

  find(kind: EntryKind, name: string): HeldEntry | undefined {
    return this.#snapshot?.entries[kind].get(name);
  }

  /** An entry's value in plaintext, of the revision held now; the caller zeroes it. */
  open(entry: CachedEntry): Buffer {
    const held = heldBy(this.#snapshot, entry);
    if (this.#keys === undefined || held === undefined)
      throw new RangeError('the entry is not held any more');
    return openValue(this.#keys.sealing, held.sealed, this.#place(held));
  }

  list(kind: EntryKind): CachedEntry[] {
    return [...(this.#snapshot?.entries[kind].values() ?? [])];
  }

  /** How many entries there are, and the bytes they take sealed. */
  size(): { entries: number; bytes: number } {
    const all = [...allOf(this.#snapshot)];
    return {
      entries: all.length,
      bytes: all.reduce((sum, entry) => sum + entry.sealed.byteLength, 0),
    };
  }

  /** Forgets everything, beyond recovery. */
  wipe(): void {
    for (const { sealed } of allOf(this.#snapshot)) sealed.fill(0);
    for (const key of Object.values(this.#keys ?? {})) this.#keyMemory.release(key);
    this.#keys = undefined;
    this.#snapshot = undefined;
  }

  #sealChanged({ revision, epoch, complete, entries }: OpenedBundle): Snapshot {
    const keys = (this.#keys ??= {
      sealing: this.#keyMemory.make(),
      marking: this.#keyMemory.make(),
    });
    const after: Snapshot = {
      revision,
      epoch,
      complete,
      entries: {
        secret: new Map(),
        plugin: new Map(),
        certificate: new Map(),
        reference: new Map(),
      },
    };
    for (const entry of entries) {
      const { kind, name, version, value } = entry;
      const mark = createHmac('sha256', keys.marking).update(value).digest();
      const held = heldBy(this.#snapshot, entry);
      // A deleted and re-created entry may have its old version number, so the values are compared too.
      const same = held?.version === version && timingSafeEqual(held.mark, mark);
      const sealedEntry = same
        ? held
        : {
            kind,
            name,
            version,
            mark,
            etag: etagOf(entry, mark),
            sealed: sealValue(keys.sealing, value, this.#place(entry)),
          };
      after.entries[kind].set(name, sealedEntry);
    }
    return after;
  }

  #place({ kind, name }: CachedEntry): Place {
    return { table: 'agent_cache', row: name, field: kind, group: this.#group, keyVersion: 1 };
  }
}

/** The version alone would be the same for an entry that was deleted and made anew. The mark is keyed: it tells nothing of the value. */
function etagOf({ version }: CachedEntry, mark: Buffer): string {
  return `"${version}-${mark.toString('base64url', 0, 9)}"`;
}

function heldBy(snapshot: Snapshot | undefined, { kind, name }: CachedEntry) {
  return snapshot?.entries[kind].get(name);
}

function shown({ kind, name, version }: CachedEntry): CachedEntry {
  return { kind, name, version };
}

function* allOf(snapshot: Snapshot | undefined): Generator<SealedEntry> {
  yield* snapshot?.entries.secret.values() ?? [];
  yield* snapshot?.entries.plugin.values() ?? [];
  yield* snapshot?.entries.certificate.values() ?? [];
  yield* snapshot?.entries.reference.values() ?? [];
}

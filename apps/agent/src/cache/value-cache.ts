import { randomBytes, timingSafeEqual } from 'node:crypto';
import { KEY_BYTES, open, seal, type Place } from '@sallyport/crypto/envelope';
import { zeroBundle, type EntryKind, type OpenedBundle } from '../sync/open-bundle.ts';

/** What applications may know of an entry without its value. */
export type CachedEntry = { kind: EntryKind; name: string; version: number };

/** One entry that a revision brought, changed or removed. */
export type Change = CachedEntry & { removed: boolean };

type SealedEntry = CachedEntry & { sealed: Uint8Array };
type Snapshot = {
  revision: number;
  epoch: number;
  complete: boolean;
  key: Buffer;
  entries: Record<EntryKind, Map<string, SealedEntry>>;
};

/**
 * The values of the revision the agent runs, each AES-256-GCM sealed in memory. Every revision is
 * sealed under a random key of its own, so that zeroing the key forgets all of it at once.
 */
export class ValueCache {
  readonly #group: string;
  #snapshot: Snapshot | undefined;

  constructor(group: string) {
    this.#group = group;
  }

  /** Swaps a revision in as a whole, zeroes its plaintext, and returns what differs from the one before. */
  replace(bundle: OpenedBundle): Change[] {
    const before = this.#snapshot;
    const after = this.#sealAll(bundle);
    const changes = this.#difference(before, bundle, after);
    this.#snapshot = after;
    before?.key.fill(0);
    zeroBundle(bundle);
    return changes;
  }

  /** Undefined until the first bundle, and after `wipe`. `complete` is false while live values are missing. */
  revision(): { revision: number; epoch: number; complete: boolean } | undefined {
    return this.#snapshot;
  }

  find(kind: EntryKind, name: string): CachedEntry | undefined {
    return this.#snapshot?.entries[kind].get(name);
  }

  /** An entry's value in plaintext, of the revision held now; the caller zeroes it. */
  open({ kind, name }: CachedEntry): Buffer {
    const held = this.#snapshot?.entries[kind].get(name);
    if (this.#snapshot === undefined || held === undefined)
      throw new RangeError('the entry is not held any more');
    return open(this.#snapshot.key, held.sealed, this.#place(held));
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
    this.#snapshot?.key.fill(0);
    this.#snapshot = undefined;
  }

  #sealAll({ revision, epoch, complete, entries }: OpenedBundle): Snapshot {
    const key = randomBytes(KEY_BYTES);
    const snapshot: Snapshot = {
      revision,
      epoch,
      complete,
      key,
      entries: { secret: new Map(), plugin: new Map() },
    };
    for (const { value, ...entry } of entries) {
      snapshot.entries[entry.kind].set(entry.name, {
        ...entry,
        sealed: seal(key, value, this.#place(entry)),
      });
    }
    return snapshot;
  }

  #difference(before: Snapshot | undefined, bundle: OpenedBundle, after: Snapshot): Change[] {
    const brought = bundle.entries.filter((entry) => !this.#holds(before, entry));
    const removed = [...allOf(before)].filter(({ kind, name }) => !after.entries[kind].has(name));
    return [
      ...brought.map(({ kind, name, version }) => ({ kind, name, version, removed: false })),
      ...removed.map(({ kind, name, version }) => ({ kind, name, version, removed: true })),
    ];
  }

  /** A deleted and re-created entry may have its old version number, so the values are compared too. */
  #holds(snapshot: Snapshot | undefined, entry: OpenedBundle['entries'][number]): boolean {
    const held = snapshot?.entries[entry.kind].get(entry.name);
    if (snapshot === undefined || held?.version !== entry.version) return false;
    const value = open(snapshot.key, held.sealed, this.#place(held));
    const same = value.byteLength === entry.value.byteLength && timingSafeEqual(value, entry.value);
    value.fill(0);
    return same;
  }

  #place({ kind, name }: CachedEntry): Place {
    return { table: 'agent_cache', row: name, field: kind, group: this.#group, keyVersion: 1 };
  }
}

function* allOf(snapshot: Snapshot | undefined): Generator<SealedEntry> {
  yield* snapshot?.entries.secret.values() ?? [];
  yield* snapshot?.entries.plugin.values() ?? [];
}

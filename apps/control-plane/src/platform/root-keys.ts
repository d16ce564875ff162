import { CryptoError } from '@sallyport/crypto/crypto-error';
import { open, type Place } from '@sallyport/crypto/envelope';
import { rootKeyFingerprint } from '@sallyport/crypto/root-key';

/** What stands for the group in a place where the root key seals: such a value belongs to none. */
export const NO_GROUP = 'root';

/** Where a value that the root key seals lives. */
export function rootPlace(table: string, row: string, field: string): Place {
  return { table, row, field, group: NO_GROUP, keyVersion: 1 };
}

/** No root key at hand is the one that this database was made with, or was last rotated to. */
export class WrongRootKey extends Error {
  constructor(expected: string, actual: string[]) {
    super(
      `the root key is not the one of this database: its fingerprint is ${actual.join(' or ')}, the database names ${expected}. ` +
        'Give the original root key (rootKey or the root-key file), or point to another database.',
    );
    this.name = 'WrongRootKey';
  }
}

/**
 * The root key, and while it is being rotated the one before or after it. All of them open; the one that the
 * installation names seals, so that every replica seals with the same, whatever else it knows.
 */
export class RootKeys {
  readonly #byFingerprint: ReadonlyMap<string, Uint8Array>;

  /** The first is the one that a new installation is made with, or that `rotate-root` moves to. */
  constructor(keys: readonly [Uint8Array, ...Uint8Array[]]) {
    this.#byFingerprint = new Map(keys.map((key) => [rootKeyFingerprint(key), key]));
  }

  get fingerprints(): string[] {
    return [...this.#byFingerprint.keys()];
  }

  /** @throws WrongRootKey */
  named(fingerprint: string): Uint8Array {
    const key = this.#byFingerprint.get(fingerprint);
    if (key === undefined) throw new WrongRootKey(fingerprint, this.fingerprints);
    return key;
  }

  /** Opens what any of the keys sealed; the caller owns the buffer. @throws CryptoError `envelope.*` */
  open(sealed: Uint8Array, place: Place): Buffer {
    let refusal: unknown;
    for (const key of this.#byFingerprint.values()) {
      try {
        return open(key, sealed, place);
      } catch (error) {
        if (!(error instanceof CryptoError)) throw error;
        refusal = error;
      }
    }
    throw refusal;
  }
}

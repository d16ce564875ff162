import { CryptoError } from '@sallyport/crypto/crypto-error';
import { open, seal, type Place } from '@sallyport/crypto/envelope';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import type { Platform } from '../platform/platform.ts';
import type { RootKeys } from '../platform/root-keys.ts';
import { countEncryptions, listWrappedKeys, type WrappedKey } from './keyrings.store.ts';
import { UnreadableValue } from './unreadable-value.ts';

/** Where a value of a group lives; with the group and key version it becomes the associated data. */
export type Field = Pick<Place, 'table' | 'row' | 'field'>;
export type SealedField = { sealed: Uint8Array<ArrayBuffer>; keyVersion: number };

/** Seals a value with the group's active key and counts the encryption. @throws AppError `keyring.exhausted` */
export async function sealForGroup(
  tx: Db,
  { rootKeys }: Pick<Platform, 'rootKeys'>,
  at: Field & { groupId: string },
  plaintext: Uint8Array,
): Promise<SealedField> {
  const newest = await countEncryptions(tx, at.groupId, 1);
  if (newest === undefined) throw exhausted();
  const key = unwrap(rootKeys, at.groupId, newest);
  const sealed = seal(key, plaintext, fieldPlace(at, at.groupId, newest.version));
  key.fill(0);
  return { sealed, keyVersion: newest.version };
}

/** All keys of one group, open for as long as one piece of work needs them. */
export class Keyring {
  readonly #groupId: string;
  readonly #keys: ReadonlyMap<number, Buffer>;

  private constructor(groupId: string, keys: ReadonlyMap<number, Buffer>) {
    this.#groupId = groupId;
    this.#keys = keys;
  }

  /** Reads the group's keyring and lends it to `work`. Read what it is to open first: a key outlives its last use by a minute. */
  static async use<T>(
    db: Db,
    platform: Platform,
    groupId: string,
    work: (keyring: Keyring) => Promise<T>,
  ): Promise<T> {
    return Keyring.lend(platform, groupId, await listWrappedKeys(db, groupId), work);
  }

  /** Lends the keyring of these keys to `work` and zeroes them afterwards. */
  static async lend<T>(
    { rootKeys }: Pick<Platform, 'rootKeys'>,
    groupId: string,
    wrapped: WrappedKey[],
    work: (keyring: Keyring) => Promise<T>,
  ): Promise<T> {
    const keys = new Map(wrapped.map((key) => [key.version, unwrap(rootKeys, groupId, key)]));
    try {
      return await work(new Keyring(groupId, keys));
    } finally {
      for (const key of keys.values()) key.fill(0);
    }
  }

  /** Opens a value; the caller owns the buffer. @throws AppError `envelope.unreadable` */
  open(at: Field, { sealed, keyVersion }: { sealed: Uint8Array; keyVersion: number }): Buffer {
    const key = this.#keys.get(keyVersion);
    const place = fieldPlace(at, this.#groupId, keyVersion);
    if (key === undefined) throw new UnreadableValue(place);
    return openSealed(key, sealed, place);
  }
}

/** Opens a key of a group; the caller zeroes it. @throws AppError `envelope.unreadable` */
export function unwrap(
  rootKeys: RootKeys,
  groupId: string,
  { version, wrappedKey }: WrappedKey,
): Buffer {
  return openUnderRoot(rootKeys, wrappedKey, keyPlace(groupId, version));
}

/** Opens what the root key sealed; the caller owns the buffer. @throws AppError `envelope.unreadable` */
export function openUnderRoot(rootKeys: RootKeys, sealed: Uint8Array, place: Place): Buffer {
  return readably(place, () => rootKeys.open(sealed, place));
}

/** Opens a value with a key of the group; the caller owns the buffer. @throws AppError `envelope.unreadable` */
export function openSealed(key: Uint8Array, sealed: Uint8Array, place: Place): Buffer {
  return readably(place, () => open(key, sealed, place));
}

function readably(place: Place, work: () => Buffer): Buffer {
  try {
    return work();
  } catch (error) {
    if (error instanceof CryptoError) throw new UnreadableValue(place, error);
    throw error;
  }
}

/** The active key has sealed all that a key may. */
export function exhausted(): AppError {
  return new AppError(
    'keyring.exhausted',
    'The group’s key has sealed as much as one key may; rotate the keyring.',
  );
}

/** Where a key of a group lives: the place that its ciphertext is bound to. */
export function keyPlace(groupId: string, version: number): Place {
  return {
    table: 'keyring_versions',
    row: groupId,
    field: 'wrapped_key',
    group: groupId,
    keyVersion: version,
  };
}

/** Where a value of a group lives, under one key version. */
export function fieldPlace(
  { table, row, field }: Field,
  groupId: string,
  keyVersion: number,
): Place {
  return { table, row, field, group: groupId, keyVersion };
}

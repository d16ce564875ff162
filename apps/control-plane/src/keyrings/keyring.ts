import { randomBytes } from 'node:crypto';
import { CryptoError } from '@sallyport/crypto/crypto-error';
import { KEY_BYTES, open, seal, type Place } from '@sallyport/crypto/envelope';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import type { Platform } from '../platform/platform.ts';
import {
  countEncryption,
  createKeyringVersion,
  listKeyringVersions,
  type WrappedKey,
} from './keyrings.store.ts';

/** Where a value of a group lives; with the group and key version it becomes the associated data. */
export type Field = Pick<Place, 'table' | 'row' | 'field'>;
export type SealedField = { sealed: Uint8Array<ArrayBuffer>; keyVersion: number };

/** Makes the first key of a new group. */
export async function createKeyring(
  tx: Db,
  { rootKey, clock }: Platform,
  groupId: string,
): Promise<void> {
  const version = 1;
  const key = randomBytes(KEY_BYTES);
  const wrappedKey = seal(rootKey, key, wrapPlace(groupId, version));
  key.fill(0);
  await createKeyringVersion(tx, groupId, { version, wrappedKey }, clock.now());
}

/** Seals a value with the group's newest key and counts the encryption. */
export async function sealForGroup(
  tx: Db,
  { rootKey }: Platform,
  at: Field & { groupId: string },
  plaintext: Uint8Array,
): Promise<SealedField> {
  const newest = await countEncryption(tx, at.groupId);
  const key = unwrap(rootKey, at.groupId, newest);
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

  /** Reads the group's keyring and lends it to `work`. */
  static async use<T>(
    db: Db,
    platform: Platform,
    groupId: string,
    work: (keyring: Keyring) => Promise<T>,
  ): Promise<T> {
    return Keyring.lend(platform, groupId, await listKeyringVersions(db, groupId), work);
  }

  /** Lends the keyring of these keys to `work` and zeroes them afterwards. */
  static async lend<T>(
    { rootKey }: Pick<Platform, 'rootKey'>,
    groupId: string,
    wrapped: WrappedKey[],
    work: (keyring: Keyring) => Promise<T>,
  ): Promise<T> {
    const keys = new Map(wrapped.map((key) => [key.version, unwrap(rootKey, groupId, key)]));
    try {
      return await work(new Keyring(groupId, keys));
    } finally {
      for (const key of keys.values()) key.fill(0);
    }
  }

  /** Opens a value; the caller owns the buffer. @throws AppError `envelope.unreadable` */
  open(at: Field, { sealed, keyVersion }: { sealed: Uint8Array; keyVersion: number }): Buffer {
    const key = this.#keys.get(keyVersion);
    if (key === undefined)
      throw unreadable(
        `${at.table} ${at.row} names key version ${keyVersion}, which does not exist`,
      );
    return opened(key, sealed, fieldPlace(at, this.#groupId, keyVersion));
  }
}

function unwrap(rootKey: Uint8Array, groupId: string, { version, wrappedKey }: WrappedKey): Buffer {
  return opened(rootKey, wrappedKey, wrapPlace(groupId, version));
}

function opened(key: Uint8Array, sealed: Uint8Array, place: Place): Buffer {
  try {
    return open(key, sealed, place);
  } catch (error) {
    if (error instanceof CryptoError) throw unreadable(error.message, error);
    throw error;
  }
}

function unreadable(privateDetail: string, cause?: Error): AppError {
  return new AppError(
    'envelope.unreadable',
    'A stored value cannot be opened; the log names where.',
    { privateDetail, cause },
  );
}

function wrapPlace(groupId: string, version: number): Place {
  return {
    table: 'keyring_versions',
    row: groupId,
    field: 'wrapped_key',
    group: groupId,
    keyVersion: version,
  };
}

function fieldPlace({ table, row, field }: Field, groupId: string, keyVersion: number): Place {
  return { table, row, field, group: groupId, keyVersion };
}

import { setImmediate } from 'node:timers/promises';
import { seal, type Place } from '@sallyport/crypto/envelope';
import { appendAuditEvent } from '../audit/index.ts';
import { systemOperation } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import { exhausted, fieldPlace, openSealed, unwrap } from './keyring.ts';
import {
  commitUnsynced,
  countEncryptions,
  destroyRetiredKeys,
  getGroupName,
  holdVersion,
  listRetiring,
  listWrappedKeys,
  lockRetiring,
  markRetired,
  type WrappedKey,
} from './keyrings.store.ts';
import {
  isUsed,
  readSealed,
  replaceSealed,
  sealedPlaces,
  type SealedPlace,
  type SealedRow,
} from './sealed-places.store.ts';
import type { UnreadableReports } from './unreadable-reports.ts';
import { UnreadableValue } from './unreadable-value.ts';

/** How much is sealed anew at a time; no other row is locked for it. With larger batches writers wait longer. */
const BATCH = { rows: 160, bytes: 4 * 2 ** 20 };
/** Encryptions that are counted in advance, so that writers do not wait for each batch's count. A crash wastes no more. */
const RESERVED = 5_000;
/** Values that are sealed before other work gets its turn: less than half a millisecond. */
const AT_A_STRETCH = 25;
/** Values of one place that do not open and are reported at a time. */
const MAX_REPORTED = 100;
/** Longer than any statement or transaction that may have read a row before it was sealed anew. */
const KEPT_AFTER_RETIREMENT_MS = 60_000;

export type RewrapDeps = {
  platform: Platform;
  unreadable: UnreadableReports;
  stopping?: AbortSignal;
};

type Retiring = { groupId: string; version: number };
/** Values that were sealed anew for key version `to`, and what could not be opened; `last` is the key of the last row. */
type Batch = { anew: SealedRow[]; left: UnreadableValue[]; to: number; last: string };

/**
 * Seals anew what retiring keys have sealed, and retires each that is not used any more. It may be killed
 * anywhere and run twice at once: a value is replaced only if the old key still seals it, and a key is
 * retired only when it can be seen that nothing needs it. A value that does not open is reported and left as
 * it is, and its key with it. `stopping` ends it after a batch.
 */
export async function rewrapKeyrings(deps: RewrapDeps): Promise<void> {
  const { platform, stopping } = deps;
  const { db, clock } = platform;
  for (const retiring of await db.read(listRetiring)) {
    try {
      for (const place of sealedPlaces) await rewrapPlace(deps, retiring, place);
      if (stopping?.aborted === true) return;
      await retire(platform, retiring);
    } catch (error) {
      await passOver(deps, retiring, error);
    }
  }
  const before = new Date(clock.now() - KEPT_AFTER_RETIREMENT_MS);
  await db.write((writer) => destroyRetiredKeys(writer, before));
}

/** A group whose key does not open, or is exhausted, must not hold up the others. */
async function passOver(
  { platform, unreadable }: RewrapDeps,
  { groupId }: Retiring,
  error: unknown,
): Promise<void> {
  if (!(error instanceof AppError) || error.code === 'server.unavailable') throw error;
  platform.log.warn({ err: error, groupId }, 'values were not sealed anew; it comes again');
  await unreadable.notice(error, systemOperation('keyring rotation'));
}

/** Batch after batch. Sealing one while the last is stored would be faster, but writers would wait longer. */
async function rewrapPlace(
  deps: RewrapDeps,
  retiring: Retiring,
  place: SealedPlace,
): Promise<void> {
  const { platform, unreadable } = deps;
  const reserve = reservation(platform, retiring.groupId);
  let batch = await sealNext(deps, retiring, place, { reserve });
  for (let reported = 0; batch !== undefined;) {
    for (const error of batch.left.slice(0, MAX_REPORTED - reported)) {
      reported += 1;
      await unreadable.notice(error, systemOperation('keyring rotation'));
    }
    await store(platform, retiring, place, batch);
    batch = await sealNext(deps, retiring, place, { reserve, after: batch.last });
  }
}

/**
 * The key to seal the next `count` values with. They are counted and committed before anything is sealed, so
 * that no crash leaves a seal uncounted.
 */
function reservation({ db }: Platform, groupId: string): (count: number) => Promise<WrappedKey> {
  let reserved: { key: WrappedKey; left: number } | undefined;
  return async (count) => {
    if (reserved === undefined || reserved.left < count) {
      // Fewer than a batch are the last of a place.
      const left = count < BATCH.rows ? count : RESERVED;
      const key = await db.write((writer) => countEncryptions(writer, groupId, left));
      if (key === undefined) throw exhausted();
      reserved = { key, left };
    }
    reserved.left -= count;
    return reserved.key;
  };
}

/** Reads the batch after a row and seals it anew; undefined when there is none, or nothing more is to be done. */
async function sealNext(
  { platform, stopping }: RewrapDeps,
  retiring: Retiring,
  place: SealedPlace,
  { reserve, after }: { reserve: (count: number) => Promise<WrappedKey>; after?: string },
): Promise<Batch | undefined> {
  if (stopping?.aborted === true) return undefined;
  const { db, rootKeys } = platform;
  const { groupId, version } = retiring;
  const rows = await db.read((reader) => readSealed(reader, place, { ...retiring, after }, BATCH));
  const last = rows.at(-1)?.key;
  const wrapped = await db.read((reader) => listWrappedKeys(reader, groupId));
  const from = wrapped.find((key) => key.version === version);
  // Without its key, another worker has finished meanwhile.
  if (last === undefined || from === undefined) return undefined;
  const at = (row: string, keyVersion: number) =>
    fieldPlace({ table: place.table, row, field: place.column }, groupId, keyVersion);
  const oldKey = unwrap(rootKeys, groupId, from);
  const opened = await openEach(oldKey, rows, (row) => at(row, version));
  oldKey.fill(0);
  const to = await reserve(opened.values.length);
  const newKey = unwrap(rootKeys, groupId, to);
  const anew: SealedRow[] = [];
  for (const { key, row, value } of opened.values) {
    if (anew.length % AT_A_STRETCH === 0) await setImmediate();
    anew.push({ key, row, sealed: seal(newKey, value, at(row, to.version)) });
    value.fill(0);
  }
  newKey.fill(0);
  return { anew, left: opened.left, to: to.version, last };
}

type OpenRow = Pick<SealedRow, 'key' | 'row'> & { value: Buffer };

/** Opens what can be opened, a stretch at a time: requests come first. */
async function openEach(
  oldKey: Uint8Array,
  rows: SealedRow[],
  at: (row: string) => Place,
): Promise<{ values: OpenRow[]; left: UnreadableValue[] }> {
  const values: OpenRow[] = [];
  const left: UnreadableValue[] = [];
  for (const [index, { key, row, sealed }] of rows.entries()) {
    if (index % AT_A_STRETCH === 0) await setImmediate();
    try {
      values.push({ key, row, value: openSealed(oldKey, sealed, at(row)) });
    } catch (error) {
      if (!(error instanceof UnreadableValue)) throw error;
      left.push(error);
    }
  }
  return { values, left };
}

/**
 * Replaces what the old key still seals. Nobody waits for the disk: what a crash of Postgres takes back is
 * still sealed by the old key, and that one is there, for its retirement waits for the disk, and with it for
 * all that was committed before.
 */
async function store(
  { db }: Platform,
  { groupId, version: from }: Retiring,
  place: SealedPlace,
  { anew, to }: Batch,
): Promise<void> {
  await db.transaction(async (tx) => {
    await commitUnsynced(tx);
    if (await holdVersion(tx, groupId, to))
      await replaceSealed(tx, place, { groupId, from, to }, anew);
  });
}

/**
 * Retires a version that nothing uses. Whoever seals holds the version's row until their commit, and only
 * seals with an active one; so once the row is ours nobody can seal with it any more, and a look in a
 * statement of its own sees everything that was.
 */
async function retire({ db, clock }: Platform, { groupId, version }: Retiring): Promise<void> {
  await db.transaction(async (tx) => {
    if (!(await lockRetiring(tx, groupId, version))) return;
    if (await isUsed(tx, groupId, version)) return;
    await markRetired(tx, groupId, version, new Date(clock.now()));
    const name = await getGroupName(tx, groupId);
    const act = {
      action: 'keyring:retire',
      subject: `group:${name}`,
      groupId,
      outcome: 'done',
      details: { version },
    } as const;
    await appendAuditEvent(tx, systemOperation('keyring rotation'), act, clock.now());
  });
}

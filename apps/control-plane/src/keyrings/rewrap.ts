import { setImmediate } from 'node:timers/promises';
import { seal } from '@sallyport/crypto/envelope';
import { appendAuditEvent } from '../audit/index.ts';
import { systemOperation } from '../authorization/index.ts';
import type { Platform } from '../platform/platform.ts';
import { exhausted, fieldPlace, openSealed, unwrap } from './keyring.ts';
import {
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

/** What is sealed anew at a time: some 10 ms of work, for which nobody else's row is held. */
const BATCH = 500;
/** Values that do not open, after which a version is given up until the next time. */
const MAX_LEFT = 100;
/** Longer than any statement or transaction that may have read a row before it was sealed anew. */
const KEPT_AFTER_RETIREMENT_MS = 60_000;

export type RewrapDeps = {
  platform: Platform;
  unreadable: UnreadableReports;
  stopping?: AbortSignal;
};

type Retiring = { groupId: string; version: number };

/**
 * Seals anew what retiring keys have sealed, and retires each that is not used any more. It may be killed
 * anywhere and run twice at once: a value is replaced only if the old key still seals it, and a key is
 * retired only when it can be seen that nothing needs it. A value that does not open is reported and left as
 * it is, and its key with it. `stopping` ends it after a batch.
 */
export async function rewrapKeyrings(deps: RewrapDeps): Promise<void> {
  const { platform, unreadable, stopping } = deps;
  const { db, clock } = platform;
  for (const retiring of await db.read(listRetiring)) {
    try {
      for (const place of sealedPlaces) await rewrapPlace(deps, retiring, place);
    } catch (error) {
      // A key that does not open must not hold up the other groups.
      if (!(error instanceof UnreadableValue)) throw error;
      await unreadable.notice(error, systemOperation('keyring rotation'));
    }
    if (stopping?.aborted === true) return;
    await retire(platform, retiring);
  }
  const before = new Date(clock.now() - KEPT_AFTER_RETIREMENT_MS);
  await db.read((writer) => destroyRetiredKeys(writer, before));
}

async function rewrapPlace(
  deps: RewrapDeps,
  retiring: Retiring,
  place: SealedPlace,
): Promise<void> {
  const { platform, unreadable, stopping } = deps;
  const left: string[] = [];
  while (stopping?.aborted !== true && left.length <= MAX_LEFT) {
    const rows = await platform.db.read((reader) =>
      readSealed(reader, place, { ...retiring, except: left }, BATCH),
    );
    if (rows.length === 0) return;
    for (const { row, error } of await rewrapBatch(platform, retiring, place, rows)) {
      left.push(row);
      await unreadable.notice(error, systemOperation('keyring rotation'));
    }
    // Requests come first.
    await setImmediate();
  }
}

type Unreadable = { row: string; error: UnreadableValue };

/** Seals a batch anew; returns what could not be opened. */
async function rewrapBatch(
  platform: Platform,
  { groupId, version: from }: Retiring,
  place: SealedPlace,
  rows: SealedRow[],
): Promise<Unreadable[]> {
  const { db } = platform;
  // Counted and committed before anything is sealed, so that no crash leaves a seal uncounted.
  const newest = await db.read((writer) => countEncryptions(writer, groupId, rows.length));
  if (newest === undefined) throw exhausted();
  const wrapped = await db.read((reader) => listWrappedKeys(reader, groupId));
  const old = wrapped.find(({ version }) => version === from);
  // Another worker has finished meanwhile.
  if (old === undefined) return [];
  const { anew, left } = sealAnew(platform, groupId, place, { rows, old, newest });
  await db.transaction(async (tx) => {
    if (await holdVersion(tx, groupId, newest.version))
      await replaceSealed(tx, place, { groupId, from, to: newest.version }, anew);
  });
  return left;
}

function sealAnew(
  { rootKeys }: Platform,
  groupId: string,
  { table, column }: SealedPlace,
  { rows, old, newest }: { rows: SealedRow[]; old: WrappedKey; newest: WrappedKey },
): { anew: SealedRow[]; left: Unreadable[] } {
  const [oldKey, newKey] = [unwrap(rootKeys, groupId, old), unwrap(rootKeys, groupId, newest)];
  const anew: SealedRow[] = [];
  const left: Unreadable[] = [];
  for (const { row, sealed } of rows) {
    const field = { table, row, field: column };
    try {
      const value = openSealed(oldKey, sealed, fieldPlace(field, groupId, old.version));
      anew.push({ row, sealed: seal(newKey, value, fieldPlace(field, groupId, newest.version)) });
      value.fill(0);
    } catch (error) {
      if (!(error instanceof UnreadableValue)) throw error;
      left.push({ row, error });
    }
  }
  oldKey.fill(0);
  newKey.fill(0);
  return { anew, left };
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

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

/** What is sealed anew at a time: some 10 ms of work, for which nobody else's row is held. */
const BATCH = 500;
/** Longer than any statement or transaction that may have read a row before it was sealed anew. */
const KEPT_AFTER_RETIREMENT_MS = 60_000;

type Retiring = { groupId: string; version: number };

/**
 * Seals anew what retiring keys have sealed, and retires each that is not used any more. It may be killed
 * anywhere and run twice at once: a value is replaced only if the old key still seals it, and a key is
 * retired only when it can be seen that nothing needs it. `stopping` ends it after a batch.
 */
export async function rewrapKeyrings(platform: Platform, stopping?: AbortSignal): Promise<void> {
  const { db, clock } = platform;
  for (const retiring of await db.read(listRetiring)) {
    for (const place of sealedPlaces) await rewrapPlace(platform, retiring, place, stopping);
    if (stopping?.aborted === true) return;
    await retire(platform, retiring);
  }
  const before = new Date(clock.now() - KEPT_AFTER_RETIREMENT_MS);
  await db.read((writer) => destroyRetiredKeys(writer, before));
}

async function rewrapPlace(
  platform: Platform,
  retiring: Retiring,
  place: SealedPlace,
  stopping: AbortSignal | undefined,
): Promise<void> {
  const { db } = platform;
  while (stopping?.aborted !== true) {
    const rows = await db.read((reader) => readSealed(reader, place, retiring, BATCH));
    if (rows.length === 0) return;
    await rewrapBatch(platform, retiring, place, rows);
    // Requests come first.
    await setImmediate();
  }
}

async function rewrapBatch(
  platform: Platform,
  { groupId, version: from }: Retiring,
  place: SealedPlace,
  rows: SealedRow[],
): Promise<void> {
  const { db } = platform;
  // Counted and committed before anything is sealed, so that no crash leaves a seal uncounted.
  const newest = await db.read((writer) => countEncryptions(writer, groupId, rows.length));
  if (newest === undefined) throw exhausted();
  const wrapped = await db.read((reader) => listWrappedKeys(reader, groupId));
  const old = wrapped.find(({ version }) => version === from);
  // Another worker has finished meanwhile.
  if (old === undefined) return;
  const anew = sealAnew(platform, groupId, place, { rows, old, newest });
  await db.transaction(async (tx) => {
    if (await holdVersion(tx, groupId, newest.version))
      await replaceSealed(tx, place, { groupId, from, to: newest.version }, anew);
  });
}

function sealAnew(
  { rootKeys }: Platform,
  groupId: string,
  { table, column }: SealedPlace,
  { rows, old, newest }: { rows: SealedRow[]; old: WrappedKey; newest: WrappedKey },
): SealedRow[] {
  const [oldKey, newKey] = [unwrap(rootKeys, groupId, old), unwrap(rootKeys, groupId, newest)];
  try {
    return rows.map(({ row, sealed }) => {
      const field = { table, row, field: column };
      const value = openSealed(oldKey, sealed, fieldPlace(field, groupId, old.version));
      const anew = seal(newKey, value, fieldPlace(field, groupId, newest.version));
      value.fill(0);
      return { row, sealed: anew };
    });
  } finally {
    oldKey.fill(0);
    newKey.fill(0);
  }
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

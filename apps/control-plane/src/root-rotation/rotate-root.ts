import { seal, type Place } from '@sallyport/crypto/envelope';
import { rootKeyFingerprint } from '@sallyport/crypto/root-key';
import { appendAuditEvent } from '../audit/index.ts';
import { systemOperation } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Clock } from '../platform/clock.ts';
import type { Database, Db } from '../platform/db.ts';
import type { RootKeys } from '../platform/root-keys.ts';
import { lockInstallationAlone, updateInstallation } from '../trust/index.ts';
import {
  listSealedUnderRoot,
  replaceSealedUnderRoot,
  sealedUnderRoot,
  type RootSealedRow,
  type SealedUnderRoot,
} from './sealed-under-root.store.ts';

/** What is held open at a time. */
const BATCH_ROWS = 500;
/** The command is run by hand, and whoever waits for it can end it: a million values take minutes. */
const LIMIT_MS = 60 * 60_000;

/** How many values were sealed anew; none when the installation names the key already. */
export type RootRotation = { fingerprint: string; sealedAnew: number };

/**
 * Seals everything that the root key seals anew under `target`, and lets the installation name that key: all
 * in one transaction, while nobody else seals. Values of groups are under their keyrings and stay as they are.
 *
 * @throws WrongRootKey, CryptoError `envelope.unreadable`, Error when it is to stop; nothing is changed then
 */
export async function rotateRoot(
  { db, clock, stopping }: { db: Database; clock: Clock; stopping: AbortSignal },
  rootKeys: RootKeys,
  target: Uint8Array,
): Promise<RootRotation> {
  const fingerprint = rootKeyFingerprint(target);
  const rotated = db.transaction(async (tx) => {
    const named = await lockInstallationAlone(tx);
    rootKeys.named(named);
    if (named === fingerprint) return { fingerprint, sealedAnew: 0 };
    let sealedAnew = 0;
    for (const column of sealedUnderRoot)
      for await (const rows of batchesOf(tx, column)) {
        const anew = rows.map((row) => {
          refuseStopped(stopping);
          return sealAnew(rootKeys, target, row, column.place(row.id, row.version));
        });
        await replaceSealedUnderRoot(tx, column, anew);
        sealedAnew += rows.length;
      }
    await updateInstallation(tx, fingerprint);
    const act = {
      action: 'root-key:rotate',
      subject: 'installation',
      outcome: 'done',
      details: { from: named, to: fingerprint, sealedAnew },
    } as const;
    await appendAuditEvent(tx, systemOperation('rotate-root'), act, clock.now());
    return { fingerprint, sealedAnew };
  }, LIMIT_MS);
  return rotated.catch(rethrowBusy);
}

/** What the database keeps waiting are not the changes to a group here. */
function rethrowBusy(error: unknown): never {
  if (!(error instanceof AppError) || error.code !== 'group.busy') throw error;
  throw new Error(
    'the control plane held for too long what is to be sealed anew; nothing was sealed anew, and the root key is as it was. Run rotate-root again, with every control plane stopped if it comes to this again',
    { cause: error },
  );
}

async function* batchesOf(tx: Db, column: SealedUnderRoot): AsyncGenerator<RootSealedRow[]> {
  let after: RootSealedRow | undefined;
  do {
    const rows = await listSealedUnderRoot(tx, column, after, BATCH_ROWS);
    if (rows.length > 0) yield rows;
    after = rows.at(-1);
  } while (after !== undefined);
}

function sealAnew(
  rootKeys: RootKeys,
  target: Uint8Array,
  { id, version, sealed }: RootSealedRow,
  place: Place,
): RootSealedRow {
  const value = rootKeys.open(sealed, place);
  const anew = seal(target, value, place);
  value.fill(0);
  return { id, version, sealed: anew };
}

/** @throws Error in words for operators, when the rotation is to stop */
export function refuseStopped(stopping: AbortSignal): void {
  if (stopping.aborted)
    throw new Error(
      'stopped before anything was sealed anew; the root key is as it was. Run rotate-root again',
    );
}

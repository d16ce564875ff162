import { setTimeout as pause } from 'node:timers/promises';
import type { AuditBreak, AuditVerification } from '@sallyport/contract';
import { GENESIS, type ChainHead } from '@sallyport/crypto/audit-chain';
import { verifyCheckpoint } from '@sallyport/crypto/checkpoint';
import { CryptoError } from '@sallyport/crypto/crypto-error';
import { ChainVerifier } from '@sallyport/crypto/verify-audit';
import type { Operation } from '../authorization/index.ts';
import type { Database } from '../platform/db.ts';
import type { Platform } from '../platform/platform.ts';
import type { AuditKeys } from './audit-keys.ts';
import {
  findUnplaced,
  isRecordedBase,
  readBasePosition,
  readLinks,
  readNumbers,
} from './chain.store.ts';
import { readCheckpoints, readLastSize, type KeptCheckpoint } from './checkpoints.store.ts';

const BATCH = 1_000;
/** An event gets its place in the chain within this time, even while another replica has to take over. */
const PLACING_MS = 8_000;
const LOOK_EVERY_MS = 100;

/** Checks the whole chain that is kept, with every checkpoint. */
export async function verifyAudit(
  { db }: Platform,
  keys: AuditKeys,
  op: Operation,
): Promise<AuditVerification> {
  op.authorize('audit:verify');
  for (;;) {
    const found = await verifyKept(db, keys);
    // Else retention has taken away what was about to be read, segment after segment perhaps.
    if (found.intact || (await readBasePosition(db)) === found.base) return found;
  }
}

async function verifyKept(db: Database, keys: AuditKeys): Promise<AuditVerification> {
  const position = await readBasePosition(db);
  const base = await findBase(db, keys, position);
  if (base === undefined) {
    const wrong = { kind: 'unfounded', position: position + 1 } as const;
    return result({ position, hash: GENESIS.hash }, { position, hash: GENESIS.hash }, 0, wrong);
  }
  const { verifier, unsigned } = await follow(db, keys, base);
  const verdict = verifier.end();
  const { head } = verifier;
  if (unsigned !== undefined)
    return result(base, head, 0, { kind: 'unsigned', position: unsigned });
  if (!verdict.intact) return result(base, head, 0, verdict.break);
  const unplaced = await staysUnplaced(db);
  return unplaced
    ? result(base, head, verdict.checkpoints, { kind: 'unplaced', position: head.position + 1 })
    : result(base, head, verdict.checkpoints, null);
}

/**
 * Checks what ends at a checkpoint, before it is dropped; the checkpoint itself is among those it has to meet.
 *
 * @throws Error naming what is wrong, and where
 */
export async function verifySegment(db: Database, keys: AuditKeys, upTo: number): Promise<void> {
  const position = await readBasePosition(db);
  const base = await findBase(db, keys, position);
  if (base === undefined) throw new Error(`the audit chain has no base at ${position}`);
  const { verifier, unsigned } = await follow(db, keys, base, upTo);
  const verdict = verifier.end();
  const intact = verdict.intact && unsigned === undefined && verifier.head.position === upTo;
  if (intact) return;
  const where = verdict.intact ? upTo : verdict.break.position;
  throw new Error(`the audit chain is broken at ${where}; nothing is dropped`);
}

type Followed = { verifier: ChainVerifier; unsigned: number | undefined };

/** Gives a verifier every link and every checkpoint after a base. */
async function follow(
  db: Database,
  keys: AuditKeys,
  base: ChainHead,
  upTo = Number.MAX_SAFE_INTEGER,
): Promise<Followed> {
  const verifier = new ChainVerifier(base);
  let unsigned: number | undefined;
  // What is signed from here on may name links that are not there yet when the last ones are read.
  const signed = await readLastSize(db);
  let [after, more] = [base.position, true];
  while (more) {
    const links = await readLinks(db, after, upTo, BATCH);
    more = links.length === BATCH;
    const read = links.at(-1)?.position ?? after;
    const last = more ? read : Math.min(Math.max(read, signed), upTo);
    const checkpoints = await readCheckpoints(db, after + 1, last);
    unsigned ??= checkpoints.find((checkpoint) => !isSigned(keys, checkpoint))?.position;
    verifier.expect(checkpoints);
    for (const link of links) verifier.add(link);
    after = last;
  }
  return { verifier, unsigned };
}

/** Where the chain that is kept goes on from: its very beginning, or the checkpoint that ends what was dropped. */
export async function findBase(
  db: Database,
  keys: AuditKeys,
  position: number,
): Promise<(ChainHead & { note?: string }) | undefined> {
  if (position === 0) return GENESIS;
  const checkpoints = await readCheckpoints(db, position, position);
  const signed = checkpoints.find((checkpoint) => isSigned(keys, checkpoint));
  // Else whoever cuts the beginning off at a checkpoint would look like retention.
  return signed !== undefined && (await isRecordedBase(db, position)) ? signed : undefined;
}

/** Whether one of the keys signed what the row says. */
function isSigned({ verifiers }: AuditKeys, { position, hash, note }: KeptCheckpoint): boolean {
  return verifiers.some((verifier) => {
    try {
      const signed = verifyCheckpoint(verifier, note);
      return signed.position === position && signed.hash === hash;
    } catch (error) {
      if (error instanceof CryptoError) return false;
      throw error;
    }
  });
}

/** Whether an event that is there by now gets no place in time, which counts anew for the lowest number without one. */
async function staysUnplaced(db: Database): Promise<boolean> {
  const numbers = await readNumbers(db);
  if (numbers === undefined) return false;
  let [{ first }, waited] = [numbers, 0];
  for (;;) {
    const unplaced = await findUnplaced(db, { first, last: numbers.last });
    if (unplaced === undefined) return false;
    if (unplaced !== first) [first, waited] = [unplaced, 0];
    if (waited >= PLACING_MS) return true;
    await pause(LOOK_EVERY_MS);
    waited += LOOK_EVERY_MS;
  }
}

function result(
  base: ChainHead,
  head: ChainHead,
  checkpoints: number,
  wrong: AuditBreak | null,
): AuditVerification {
  return {
    intact: wrong === null,
    base: base.position,
    size: head.position,
    hash: head.hash,
    checkpoints,
    break: wrong,
  };
}

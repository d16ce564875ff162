import { createHash, timingSafeEqual } from 'node:crypto';
import { role } from '@sallyport/contract';
import type { Place } from '@sallyport/crypto/envelope';
import { z } from 'zod';
import { openUnderRoot } from '../keyrings/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import type { Platform } from '../platform/platform.ts';
import { rootPlace } from '../platform/root-keys.ts';
import { sealUnderRoot } from '../trust/index.ts';
import {
  deleteKeyBefore,
  deleteKeysBefore,
  deleteUndone,
  findKey,
  insertKey,
  noteActed,
  passLease,
  storeExchange,
  type IdempotencyRow,
} from './idempotency.store.ts';

/** How long a reply is kept. */
const KEPT_MS = 24 * 60 * 60 * 1000;
/** Longer than any act takes: transactions end before. Then whoever led the attempt is taken for dead. */
const LEASE_MS = 60_000;

const keptReply = z.strictObject({
  status: z.int(),
  /** What its caller held when it was given. */
  grants: z.array(z.strictObject({ role, groupId: z.string().nullable() })).readonly(),
  etag: z.string().optional(),
  body: z.string(),
});
const exchange = z.strictObject({ digest: z.string(), reply: keptReply.optional() });
export type KeptReply = z.infer<typeof keptReply>;

/** A request that names a key; `digest` tells it from others. */
export type KeyedRequest = { principalId: string; key: string; digest: string };

/** An attempt at what a keyed request asks for. */
export type Attempt = { id: string; lease: string; digest: string };

/** Tells requests apart. It is stored sealed: of a body with a password, a bare digest could be guessed. */
export function digestOf(...parts: string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
}

/**
 * Begins an attempt, or finds the reply that an earlier one was given.
 *
 * One that died before it acted is given to the next after a minute, and cannot act any more. One that died
 * between its act and its reply is never repeated: who asks again is told to look.
 *
 * @throws AppError `idempotency.mismatch`, `idempotency.in_progress`, `idempotency.reply_lost`,
 * `envelope.unreadable`
 */
export async function beginAttempt(
  platform: Platform,
  { principalId, key, digest }: KeyedRequest,
): Promise<{ attempt: Attempt } | { reply: KeptReply }> {
  const { db, clock } = platform;
  const now = new Date(clock.now());
  const caller = { principalId, keyHash: digestOf(key) };
  return db.transaction(async (tx) => {
    const attempt = { id: newId(), lease: newId(), digest };
    // Before any row is touched: a rotation of the root key, too, holds the installation first.
    const sealedExchange = await sealExchange(tx, platform, attempt.id, { digest });
    await deleteKeyBefore(tx, new Date(now.getTime() - KEPT_MS), caller);
    const { id, lease } = attempt;
    const row = { ...caller, id, lease, leasedAt: now, acted: false, createdAt: now };
    if (await insertKey(tx, { ...row, sealedExchange })) return { attempt };
    const existing = await findKey(tx, principalId, caller.keyHash);
    if (existing === undefined) throw inProgress();
    return goOn(tx, platform, existing, attempt);
  });
}

async function goOn(
  tx: Db,
  { rootKeys, clock }: Platform,
  row: IdempotencyRow,
  { digest, lease }: Attempt,
): Promise<{ attempt: Attempt } | { reply: KeptReply }> {
  const opened = openUnderRoot(rootKeys, row.sealedExchange, exchangePlace(row.id));
  const kept = exchange.parse(JSON.parse(opened.toString('utf8')));
  opened.fill(0);
  if (!timingSafeEqual(Buffer.from(kept.digest), Buffer.from(digest)))
    throw new AppError(
      'idempotency.mismatch',
      'This Idempotency-Key was used for another request; choose a new one.',
    );
  if (kept.reply !== undefined) return { reply: kept.reply };
  const now = clock.now();
  if (now - row.leasedAt.getTime() < LEASE_MS) throw inProgress();
  if (row.acted)
    throw new AppError(
      'idempotency.reply_lost',
      'This was done, and its reply was lost: look at what there is now.',
    );
  if (!(await passLease(tx, row, { lease, leasedAt: new Date(now) }))) throw inProgress();
  return { attempt: { id: row.id, lease, digest } };
}

/**
 * To be called in the transaction that acts: it is committed with the act, or not at all.
 *
 * @throws AppError `idempotency.in_progress` when another attempt has taken over
 */
export async function claimAct(tx: Db, { id, lease }: Attempt): Promise<void> {
  if (!(await noteActed(tx, id, lease))) throw inProgress();
}

/** Keeps the reply, sealed: it may hold a credential that is shown once. */
export async function keepReply(
  platform: Platform,
  { id, lease, digest }: Attempt,
  reply: KeptReply,
): Promise<void> {
  await platform.db.transaction(async (tx) => {
    const sealed = await sealExchange(tx, platform, id, { digest, reply });
    await storeExchange(tx, id, lease, sealed);
  });
}

/** Ends an attempt that was refused: the key may be used again, unless something was done all the same. */
export async function endAttempt({ db }: Platform, { id, lease }: Attempt): Promise<void> {
  await db.write((writer) => deleteUndone(writer, id, lease));
}

/** Forgets the replies that were kept long enough. */
export async function forgetReplies(db: Db, nowMs: number, limit: number): Promise<number> {
  return deleteKeysBefore(db, new Date(nowMs - KEPT_MS), limit);
}

async function sealExchange(
  tx: Db,
  { rootKeys }: Platform,
  id: string,
  content: z.infer<typeof exchange>,
): Promise<Uint8Array<ArrayBuffer>> {
  const plaintext = Buffer.from(JSON.stringify(content));
  const sealed = await sealUnderRoot(tx, rootKeys, plaintext, exchangePlace(id));
  plaintext.fill(0);
  return sealed;
}

/** Where a kept exchange lives: the place that its ciphertext is bound to. */
export function exchangePlace(id: string): Place {
  return rootPlace('idempotency_keys', id, 'sealed_exchange');
}

function inProgress(): AppError {
  return new AppError(
    'idempotency.in_progress',
    'A request with this Idempotency-Key is being worked on; ask again shortly.',
    { retryAfterSeconds: 1 },
  );
}

import type { Db } from '../platform/db.ts';

/** A request that named a key. `lease` is the attempt that may act; `acted` is committed with what it did. */
export type IdempotencyRow = {
  id: string;
  principalId: string;
  keyHash: string;
  sealedExchange: Uint8Array<ArrayBuffer>;
  lease: string;
  leasedAt: Date;
  acted: boolean;
  createdAt: Date;
};

/** False when the caller has used this key already. */
export async function insertKey(tx: Db, row: IdempotencyRow): Promise<boolean> {
  return (await tx.idempotencyKey.createMany({ data: [row], skipDuplicates: true })).count === 1;
}

export async function findKey(
  tx: Db,
  principalId: string,
  keyHash: string,
): Promise<IdempotencyRow | undefined> {
  const row = await tx.idempotencyKey.findUnique({
    where: { principalId_keyHash: { principalId, keyHash } },
  });
  return row ?? undefined;
}

/** Gives what an attempt left undone to another; false when somebody was faster, or it was done after all. */
export async function passLease(
  tx: Db,
  { id, lease }: IdempotencyRow,
  next: { lease: string; leasedAt: Date },
): Promise<boolean> {
  const { count } = await tx.idempotencyKey.updateMany({
    where: { id, lease, acted: false },
    data: next,
  });
  return count === 1;
}

/** Notes, in the transaction that acts, that it does; false when the attempt has lost its lease. */
export async function noteActed(tx: Db, id: string, lease: string): Promise<boolean> {
  const { count } = await tx.idempotencyKey.updateMany({
    where: { id, lease },
    data: { acted: true },
  });
  return count === 1;
}

export async function storeExchange(
  tx: Db,
  id: string,
  lease: string,
  sealedExchange: Uint8Array<ArrayBuffer>,
): Promise<void> {
  await tx.idempotencyKey.updateMany({ where: { id, lease }, data: { sealedExchange } });
}

/** Forgets an attempt that did nothing. */
export async function deleteUndone(db: Db, id: string, lease: string): Promise<void> {
  await db.idempotencyKey.deleteMany({ where: { id, lease, acted: false } });
}

/** Forgets what one caller began before with one key. */
export async function deleteKeyBefore(
  db: Db,
  before: Date,
  of: { principalId: string; keyHash: string },
): Promise<void> {
  await db.idempotencyKey.deleteMany({ where: { createdAt: { lte: before }, ...of } });
}

/** Forgets what began before. */
export async function deleteKeysBefore(db: Db, before: Date, limit: number): Promise<number> {
  const where = { createdAt: { lte: before } };
  return (await db.idempotencyKey.deleteMany({ where, limit })).count;
}

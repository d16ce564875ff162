import type { Db } from '../platform/db.ts';

export type TotpRow = {
  operatorId: string;
  sealedSecret: Uint8Array<ArrayBuffer>;
  lastStep: number;
  createdAt: Date;
  confirmedAt: Date | null;
};

export async function findTotp(db: Db, operatorId: string): Promise<TotpRow | undefined> {
  const row = await db.operatorTotp.findUnique({ where: { operatorId } });
  return row ?? undefined;
}

/** Which of the operators have a second factor that is confirmed. */
export async function listConfirmed(db: Db, operatorIds: string[]): Promise<Set<string>> {
  const rows = await db.operatorTotp.findMany({
    where: { operatorId: { in: operatorIds }, confirmedAt: { not: null } },
    select: { operatorId: true },
  });
  return new Set(rows.map(({ operatorId }) => operatorId));
}

/** Puts a new secret in the place of one that nobody confirmed; false when one is confirmed. */
export async function putUnconfirmedTotp(
  tx: Db,
  row: Omit<TotpRow, 'lastStep' | 'confirmedAt'>,
): Promise<boolean> {
  const { operatorId, sealedSecret, createdAt } = row;
  const written = await tx.$executeRaw`
    INSERT INTO operator_totps (operator_id, sealed_secret, created_at)
    VALUES (${operatorId}::uuid, ${sealedSecret}, ${createdAt})
    ON CONFLICT (operator_id) DO UPDATE SET
      sealed_secret = excluded.sealed_secret, created_at = excluded.created_at, last_step = 0
    WHERE operator_totps.confirmed_at IS NULL`;
  return written === 1;
}

/**
 * Confirms the secret of an operator who is locked, so that it was not confirmed or replaced since it was read; false
 * when it was removed.
 */
export async function confirmTotp(
  tx: Db,
  operatorId: string,
  lastStep: number,
  confirmedAt: Date,
): Promise<boolean> {
  const { count } = await tx.operatorTotp.updateMany({
    where: { operatorId },
    data: { lastStep, confirmedAt },
  });
  return count === 1;
}

/** Takes a time step, so that its code is good for once; false when it, or a newer one, is taken. */
export async function takeStep(tx: Db, operatorId: string, step: number): Promise<boolean> {
  const { count } = await tx.operatorTotp.updateMany({
    where: { operatorId, lastStep: { lt: step } },
    data: { lastStep: step },
  });
  return count === 1;
}

/** False when there was none. */
export async function deleteTotp(tx: Db, operatorId: string): Promise<boolean> {
  return (await tx.operatorTotp.deleteMany({ where: { operatorId } })).count === 1;
}

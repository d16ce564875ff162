import type { SealedField } from '../keyrings/index.ts';
import type { Db } from '../platform/db.ts';

export async function insertDeliveryKey(
  tx: Db,
  {
    groupId,
    epoch,
    sealed,
    keyVersion,
    createdAt,
  }: SealedField & { groupId: string; epoch: number; createdAt: Date },
): Promise<void> {
  await tx.deliveryKey.create({
    data: { groupId, epoch, sealedKey: sealed, keyVersion, createdAt },
  });
}

export async function getDeliveryKey(
  db: Db,
  groupId: string,
  epoch: number,
): Promise<{ sealed: Uint8Array; keyVersion: number }> {
  const where = { groupId_epoch: { groupId, epoch } };
  const { sealedKey, keyVersion } = await db.deliveryKey.findUniqueOrThrow({ where });
  return { sealed: sealedKey, keyVersion };
}

/** Moves the group to its next epoch, under the lock of its row. */
export async function nextEpoch(tx: Db, groupId: string): Promise<number> {
  const { deliveryEpoch } = await tx.group.update({
    where: { id: groupId },
    data: { deliveryEpoch: { increment: 1 } },
    select: { deliveryEpoch: true },
  });
  return deliveryEpoch;
}

import { generateDeliveryKey, type DeliveryKey } from '@sallyport/crypto/delivery-key';
import { Keyring, sealForGroup } from '../keyrings/index.ts';
import type { Db } from '../platform/db.ts';
import type { Platform } from '../platform/platform.ts';
import { getDeliveryKey, insertDeliveryKey, nextEpoch } from './delivery-keys.store.ts';

/** Makes and keeps the delivery key of an epoch. */
export async function createDeliveryKey(
  tx: Db,
  platform: Pick<Platform, 'rootKeys' | 'clock'>,
  groupId: string,
  epoch: number,
): Promise<void> {
  const delivery = generateDeliveryKey(groupId, epoch);
  const sealedField = await sealForGroup(
    tx,
    platform,
    { ...deliveryKeyField(groupId, epoch), groupId },
    delivery.key,
  );
  await insertDeliveryKey(tx, {
    groupId,
    epoch,
    ...sealedField,
    createdAt: new Date(platform.clock.now()),
  });
}

/** Starts the next epoch of a group: what is sealed from now on is closed to agents that do not get its key. */
export async function startEpoch(tx: Db, platform: Platform, groupId: string): Promise<void> {
  await createDeliveryKey(tx, platform, groupId, await nextEpoch(tx, groupId));
}

/** Opens the delivery key of an epoch with the group's keyring; the caller zeroes it. */
export async function openStoredDeliveryKey(
  db: Db,
  platform: Platform,
  groupId: string,
  epoch: number,
): Promise<DeliveryKey> {
  const sealed = await getDeliveryKey(db, groupId, epoch);
  return Keyring.use(db, platform, groupId, async (keyring) =>
    openDeliveryKey(keyring, groupId, epoch, sealed),
  );
}

/** Opens a delivery key that was read already; the caller zeroes it. */
export function openDeliveryKey(
  keyring: Keyring,
  groupId: string,
  epoch: number,
  sealed: { sealed: Uint8Array; keyVersion: number },
): DeliveryKey {
  return { group: groupId, epoch, key: keyring.open(deliveryKeyField(groupId, epoch), sealed) };
}

/** Where an epoch's key lives: the place that its ciphertext is bound to. */
function deliveryKeyField(groupId: string, epoch: number) {
  return { table: 'delivery_keys', row: `${groupId}/${epoch}`, field: 'sealed_key' };
}

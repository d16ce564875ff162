import { MAX_GROUP_BYTES } from '@sallyport/contract';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import type { Platform } from '../platform/platform.ts';
import { advanceGroup, measureGroup } from './groups.store.ts';

/** Work on a group in one transaction, when it is its turn. @throws AppError `group.busy` */
export async function inTurn<T>(
  { db, groupTurns }: Platform,
  groupId: string,
  work: (tx: Db) => Promise<T>,
): Promise<T> {
  return groupTurns.take(groupId, () => db.transaction(work));
}

/** A change to what a group's agents receive: the group moves to `revision`, and its row is held until the commit. */
export async function changeGroup<T>(
  platform: Platform,
  groupId: string,
  work: (tx: Db, revision: number) => Promise<T>,
): Promise<T> {
  return inTurn(platform, groupId, async (tx) => work(tx, await advanceGroup(tx, groupId)));
}

/** @throws AppError `group.too_large` when the group holds more than its agents can be sent */
export async function refuseTooLarge(tx: Db, groupId: string): Promise<void> {
  if ((await measureGroup(tx, groupId)) <= MAX_GROUP_BYTES) return;
  throw new AppError(
    'group.too_large',
    `With this the group would hold more than ${MAX_GROUP_BYTES / 2 ** 20} MiB; delete what is not needed, or use another group.`,
  );
}

import { MAX_GROUP_BYTES } from '@sallyport/contract';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import type { Platform } from '../platform/platform.ts';
import { addToBound, advanceGroup, measureEntries, setBound } from './groups.store.ts';

/**
 * A change to what a group's agents receive: the group moves to `revision`, and its row is held until the commit.
 * `written` is how many bytes the change writes, by `entryBytes`; one that knows only later calls `refuseTooLarge`.
 *
 * @throws AppError `group.busy`; `group.too_large`
 */
export async function changeGroup<T>(
  { db, groupTurns }: Platform,
  { id, written = 0 }: { id: string; written?: number },
  work: (tx: Db, revision: number) => Promise<T>,
): Promise<T> {
  return groupTurns.take(id, () =>
    db.transaction(async (tx) => {
      const { revision, bytesAtMost } = await advanceGroup(tx, id, written);
      const done = await work(tx, revision);
      await holdToSize(tx, id, bytesAtMost);
      return done;
    }),
  );
}

/**
 * Work on a group in one transaction, in turns of its own: it waits for the writers that hold the group's row,
 * but not behind those that queue for it.
 *
 * @throws AppError `group.busy`
 */
export async function aheadOfWriters<T>(
  { db, groupTurns }: Platform,
  groupId: string,
  work: (tx: Db) => Promise<T>,
): Promise<T> {
  return groupTurns.take(`ahead ${groupId}`, () => db.transaction(work));
}

/**
 * To be called after an entry of `written` bytes, by `measureEntries`, was written.
 *
 * @throws AppError `group.too_large` when the group holds more than its agents can be sent
 */
export async function refuseTooLarge(tx: Db, groupId: string, written: number): Promise<void> {
  await holdToSize(tx, groupId, await addToBound(tx, groupId, written));
}

/**
 * The group's row holds a bound of its size, to which each write adds all that is written, so that a group is
 * measured only when the bound is passed.
 */
async function holdToSize(tx: Db, groupId: string, bytesAtMost: number): Promise<void> {
  if (bytesAtMost <= MAX_GROUP_BYTES) return;
  const bytes = await measureEntries(tx, groupId);
  if (bytes <= MAX_GROUP_BYTES) return setBound(tx, groupId, bytes);
  throw new AppError(
    'group.too_large',
    `With this the group would hold more than ${MAX_GROUP_BYTES / 2 ** 20} MiB; delete what is not needed, or use another group.`,
  );
}

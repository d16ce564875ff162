import { forgetGenerations } from '../agents/index.ts';
import { appendAuditEvent } from '../audit/index.ts';
import { systemOperation } from '../authorization/index.ts';
import { createDeliveryKey } from '../delivery-keys/index.ts';
import { leapGroup, listGroupIds } from '../groups/index.ts';
import { deleteAllSessions } from '../operators/index.ts';
import type { Platform } from '../platform/platform.ts';
import { findInstallation } from '../trust/index.ts';

/** More than a group makes between a backup and its restore; two thousand restores still fit into a revision. */
const LEAP = { revisions: 1_000_000, epochs: 1_000 };

/** What was settled: groups that were moved on, and sessions of operators that were ended. */
export type Settled = { groups: number; sessions: number };

/**
 * To be done once a database was restored from a backup. Agents may run revisions that were made after it, and hold
 * delivery keys of later epochs; the same numbers would soon stand for something else. So each group goes on from
 * numbers that no agent has met, and its agents take what the database holds. Agents have moved on to generations that
 * it does not have, and would be taken for copies of themselves. Operators sign in anew: sign-outs since the backup are
 * not in it. Each group for itself; to do it again does no harm.
 *
 * @throws WrongRootKey, Error for a database without an installation
 */
export async function settleRestored(
  platform: Pick<Platform, 'db' | 'rootKeys' | 'clock'>,
): Promise<Settled> {
  const { db, rootKeys, clock } = platform;
  const named = await db.read((reader) => findInstallation(reader));
  if (named === undefined)
    throw new Error('this database holds no installation; restore the backup into it first');
  rootKeys.named(named);
  const op = systemOperation('after-restore');
  const groupIds = await db.read((reader) => listGroupIds(reader));
  for (const groupId of groupIds)
    await db.transaction(async (tx) => {
      const { revision, epoch } = await leapGroup(tx, groupId, LEAP);
      await createDeliveryKey(tx, platform, groupId, epoch);
      const act = { action: 'group:restore', subject: `group:${groupId}`, groupId } as const;
      const done = { ...act, outcome: 'done', details: { revision } } as const;
      await appendAuditEvent(tx, op, done, clock.now());
    });
  return db.transaction(async (tx) => {
    await forgetGenerations(tx);
    const [groups, sessions] = [groupIds.length, await deleteAllSessions(tx)];
    const act = { action: 'installation:restore', subject: 'installation' } as const;
    const done = { ...act, outcome: 'done', details: { count: groups, sessions } } as const;
    await appendAuditEvent(tx, op, done, clock.now());
    return { groups, sessions };
  });
}

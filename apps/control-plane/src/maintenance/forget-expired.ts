import {
  deleteEndedAgentTokens,
  deleteEndedCertificates,
  deleteEndedTokens,
  deleteExpiredAssertions,
} from '../agents/index.ts';
import { deleteBundlesLeftBefore } from '../delivery/index.ts';
import { forgetReplies } from '../idempotency/index.ts';
import { deleteLeasesOverBefore } from '../leases/index.ts';
import { deleteExpiredSessions, deleteFailuresBefore } from '../operators/index.ts';
import type { Db } from '../platform/db.ts';
import type { Platform } from '../platform/platform.ts';
import { deleteTasksEndedBefore } from '../tasks/index.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** The audit has both for longer. */
const LEASES_KEPT_DAYS = 30;
const TASKS_KEPT_DAYS = 30;
/** An agent that was told to fetch a bundle does so at once. */
const BUNDLES_KEPT_DAYS = 1 / 24;
/** In one statement, which ends well before its limit. */
const REMOVED_AT_ONCE = 5_000;
/** Of one kind at one time: a backlog of days is worked off in hours, and a stop need not wait for that. */
const STATEMENTS_AT_MOST = 20;

/** Removes rows of one kind, `limit` at most; returns how many. */
type Removal = (db: Db, limit: number) => Promise<number>;

/**
 * Removes what has expired, a piece at a time; tokens stay for a day, so that operators see how they ended.
 *
 * @throws what kept the rows of the first kind that could not be removed; those of the others were
 */
export async function forgetExpired(platform: Platform): Promise<void> {
  const { log } = platform;
  const failures: unknown[] = [];
  let count = 0;
  for (const remove of removals(platform)) {
    try {
      count += await removeInPieces(platform, remove);
    } catch (error) {
      failures.push(error);
    }
  }
  if (count > 0) log.info({ count }, 'expired rows were removed');
  if (failures.length > 0) throw failures[0];
}

async function removeInPieces({ db }: Platform, remove: Removal): Promise<number> {
  let count = 0;
  for (let statement = 0; statement < STATEMENTS_AT_MOST; statement += 1) {
    const removed = await db.write((writer) => remove(writer, REMOVED_AT_ONCE));
    count += removed;
    if (removed < REMOVED_AT_ONCE) break;
  }
  return count;
}

function removals({ clock, agentCertificates: { recoveryDays } }: Platform): Removal[] {
  const nowMs = clock.now();
  const daysAgo = (days: number) => new Date(nowMs - days * DAY_MS);
  return [
    (db, limit) => deleteEndedTokens(db, daysAgo(1), limit),
    (db, limit) => deleteEndedAgentTokens(db, daysAgo(1), limit),
    (db, limit) => deleteFailuresBefore(db, daysAgo(1), limit),
    (db, limit) => deleteEndedCertificates(db, daysAgo(recoveryDays + 1), limit),
    (db, limit) => deleteExpiredAssertions(db, daysAgo(0), limit),
    (db, limit) => deleteLeasesOverBefore(db, daysAgo(LEASES_KEPT_DAYS), limit),
    (db, limit) => deleteTasksEndedBefore(db, daysAgo(TASKS_KEPT_DAYS), limit),
    (db, limit) => deleteBundlesLeftBefore(db, daysAgo(BUNDLES_KEPT_DAYS), limit),
    (db, limit) => deleteExpiredSessions(db, daysAgo(0), limit),
    (db, limit) => forgetReplies(db, nowMs, limit),
  ];
}

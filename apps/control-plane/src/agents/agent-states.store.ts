import type { AgentState } from '@sallyport/contract';
import type { Db } from '../platform/db.ts';
import type { Prisma } from '../platform/prisma-client/client.ts';

/** How long an agent that is heard of may run a revision older than one of its group's before it is stale. */
export const STALE_AFTER_MS = 60_000;

/** Nothing heard of an agent for this long makes it lost: two pulls and their retries. */
export const LOST_AFTER_MS = 3 * 60_000;

/** What tells the agents that are in a state now. */
export function inState(db: Db, state: AgentState, now: Date): Prisma.AgentWhereInput {
  if (state === 'revoked') return { revokedAt: { not: null } };
  if (state === 'lost') return { revokedAt: null, lostAt: { not: null } };
  const behindLongSince = { behindSince: { lte: new Date(now.getTime() - STALE_AFTER_MS) } };
  const { behindRevision } = db.agent.fields;
  const connected = { revokedAt: null, lostAt: null };
  if (state === 'stale')
    return { ...connected, ...behindLongSince, appliedRevision: { lt: behindRevision } };
  return {
    ...connected,
    OR: [
      { behindSince: null },
      { NOT: behindLongSince },
      { appliedRevision: { gte: behindRevision } },
    ],
  };
}

/** How many agents are in each state but `revoked`, in one statement. */
export async function countStates(
  db: Db,
  now: Date,
): Promise<{ active: number; stale: number; lost: number }> {
  const behindSince = new Date(now.getTime() - STALE_AFTER_MS);
  const [row] = await db.$queryRaw<{ active: number; stale: number; lost: number }[]>`
    SELECT count(*) FILTER (WHERE NOT is_lost AND NOT is_stale)::int AS active,
           count(*) FILTER (WHERE NOT is_lost AND is_stale)::int AS stale,
           count(*) FILTER (WHERE is_lost)::int AS lost
    FROM (
      SELECT lost_at IS NOT NULL AS is_lost,
             coalesce(behind_since <= ${behindSince} AND applied_revision < behind_revision, false) AS is_stale
      FROM agents WHERE revoked_at IS NULL
    ) AS states`;
  return row ?? { active: 0, stale: 0, lost: 0 };
}

/**
 * Notes which agents have yet to take a revision that their group has now, and since when; forgets those that
 * took the one noted. A group that changes all the time makes nobody stale who keeps up. A row that is being written
 * is left for the next time: acknowledgements come in batches, and each would wait for the other.
 */
export async function noteBehind(db: Db, now: Date): Promise<void> {
  await db.$executeRaw`
    UPDATE agents a SET
      behind_revision = CASE WHEN a.applied_revision < found.revision THEN found.revision END,
      behind_since = CASE WHEN a.applied_revision < found.revision THEN ${now}::timestamptz END
    FROM (
      SELECT a.id, g.revision FROM agents a JOIN groups g ON g.id = a.group_id
      WHERE a.revoked_at IS NULL AND a.last_seen_at IS NOT NULL
        AND (a.applied_revision >= a.behind_revision
          OR a.behind_revision IS NULL AND a.applied_revision < g.revision)
      FOR UPDATE OF a SKIP LOCKED
    ) AS found
    WHERE a.id = found.id`;
}

/** Agents in one transaction that marks them and records it: it ends well before its limit, and holds no row for long. */
export const MARKED_AT_ONCE = 500;

/**
 * Marks agents lost that were last heard of before `before`, by enrolling if they never pulled, `MARKED_AT_ONCE` at
 * most; returns them. A row that is being written is left for the next time: its agent may just be heard of.
 */
export async function markLost(
  tx: Db,
  before: Date,
  now: Date,
): Promise<{ id: string; groupId: string }[]> {
  return tx.$queryRaw<{ id: string; groupId: string }[]>`
    WITH silent AS (
      SELECT id FROM agents
      WHERE lost_at IS NULL AND revoked_at IS NULL
        AND (last_seen_at < ${before} OR last_seen_at IS NULL AND enrolled_at < ${before})
      LIMIT ${MARKED_AT_ONCE}::int FOR UPDATE SKIP LOCKED)
    UPDATE agents a SET lost_at = ${now} FROM silent WHERE a.id = silent.id
    RETURNING a.id, a.group_id AS "groupId"`;
}

/** Takes back that agents are lost, of those that were heard of since `since`; returns those that were. */
export async function markReturned(
  tx: Db,
  ids: string[],
  since: Date,
): Promise<{ id: string; groupId: string }[]> {
  return tx.agent.updateManyAndReturn({
    where: { id: { in: ids }, lostAt: { not: null }, lastSeenAt: { gte: since } },
    data: { lostAt: null },
    select: { id: true, groupId: true },
  });
}

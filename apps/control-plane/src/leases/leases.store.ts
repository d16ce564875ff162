import {
  application,
  leaseEnd,
  type Application,
  type LeaseEnd,
  type LeasesQuery,
} from '@sallyport/contract';
import { z } from 'zod';
import type { Db } from '../platform/db.ts';
import { storedPolicy } from './stored-policy.ts';

export type LeaseRow = {
  id: string;
  groupId: string;
  secretId: string;
  secretName: string;
  version: number;
  agentId: string;
  application: Application;
  requestId: string;
  grantedAt: Date;
  expiresAt: Date;
  lastsUntil: Date;
  maxUses: number | null;
  endedAt: Date | null;
  endedHow: LeaseEnd | null;
};

/** With the name that its agent has by now. */
export type NamedLease = LeaseRow & { agentName: string };

const withAgent = { agent: { select: { name: true } } } as const;

/** False when there is a lease of this id already. */
export async function insertLease(tx: Db, row: LeaseRow): Promise<boolean> {
  return (await tx.lease.createMany({ data: [row], skipDuplicates: true })).count === 1;
}

export async function findLease(db: Db, id: string): Promise<NamedLease | undefined> {
  const row = await db.lease.findUnique({ where: { id }, include: withAgent });
  return row === null ? undefined : parsed(row);
}

const renewable = z.object({
  expiresAt: z.date(),
  lastsUntil: z.date(),
  endedAt: z.date().nullable(),
  secretName: z.string(),
  policy: storedPolicy.nullable(),
});

/** An agent's lease, held until the commit, and how its secret is lent out by now: null when it is not. */
export async function lockLease(
  tx: Db,
  id: string,
  agentId: string,
): Promise<z.infer<typeof renewable> | undefined> {
  const [row] = await tx.$queryRaw<unknown[]>`
    SELECT l.expires_at AS "expiresAt", l.lasts_until AS "lastsUntil", l.ended_at AS "endedAt",
           l.secret_name AS "secretName", s.lease AS policy
      FROM leases l LEFT JOIN secrets s ON s.id = l.secret_id AND s.delivery = 'lease'
     WHERE l.id = ${id}::uuid AND l.agent_id = ${agentId}::uuid
       FOR UPDATE OF l`;
  return row === undefined ? undefined : renewable.parse(row);
}

export async function prolong(tx: Db, id: string, expiresAt: Date): Promise<void> {
  await tx.lease.update({ where: { id }, data: { expiresAt } });
}

/** How many leases an agent holds, as far as the control plane knows. */
export async function countOpen(db: Db, agentId: string, now: Date): Promise<number> {
  return db.lease.count({ where: { agentId, endedAt: null, expiresAt: { gt: now } } });
}

/** Ends every lease that is open, of one id, one secret or one agent; returns what was ended. */
export async function endOpen(
  tx: Db,
  of: { id: string } | { secretId: string } | { agentId: string },
  endedHow: LeaseEnd,
  now: Date,
): Promise<{ id: string; agentId: string }[]> {
  return tx.lease.updateManyAndReturn({
    where: { ...of, endedAt: null, expiresAt: { gt: now } },
    data: { endedAt: now, endedHow },
    select: { id: true, agentId: true },
  });
}

/** Ends an agent's open leases except those that it names: it knows of no others. */
export async function endForgotten(
  db: Db,
  agentId: string,
  named: readonly string[],
  now: Date,
): Promise<void> {
  await db.lease.updateMany({
    where: { agentId, endedAt: null, expiresAt: { gt: now }, id: { notIn: [...named] } },
    data: { endedAt: now, endedHow: 'forgotten' satisfies LeaseEnd },
  });
}

/** The agents that held a lease which was ended since then. */
export async function agentsOfEnded(db: Db, since: Date): Promise<string[]> {
  const rows = await db.lease.findMany({
    where: { endedAt: { gte: since } },
    select: { agentId: true },
    distinct: ['agentId'],
  });
  return rows.map(({ agentId }) => agentId);
}

/** Those of an agent's leases that have ended, or expired. */
export async function endedAmong(
  db: Db,
  agentId: string,
  ids: readonly string[],
  now: Date,
): Promise<string[]> {
  const rows = await db.lease.findMany({
    where: {
      id: { in: [...ids] },
      agentId,
      OR: [{ endedAt: { not: null } }, { expiresAt: { lte: now } }],
    },
    select: { id: true },
  });
  return rows.map(({ id }) => id);
}

const inState = {
  active: (now: Date) => ({ endedAt: null, expiresAt: { gt: now } }),
  expired: (now: Date) => ({ endedAt: null, expiresAt: { lte: now } }),
  ended: () => ({ endedAt: { not: null } }),
};

/** A group's leases, newest first. */
export async function listLeases(
  db: Db,
  groupId: string,
  { limit, cursor, state }: LeasesQuery,
  now: Date,
): Promise<NamedLease[]> {
  const rows = await db.lease.findMany({
    where: {
      groupId,
      ...(cursor === undefined ? {} : { id: { lt: cursor } }),
      ...(state === undefined ? {} : inState[state](now)),
    },
    include: withAgent,
    orderBy: { id: 'desc' },
    take: limit + 1,
  });
  return rows.map(parsed);
}

/** Removes the record of leases that are over since `before`. */
export async function deleteLeasesOverBefore(db: Db, before: Date, limit: number): Promise<number> {
  return (await db.lease.deleteMany({ where: { expiresAt: { lt: before } }, limit })).count;
}

type FoundLease = Omit<LeaseRow, 'application' | 'endedHow'> & {
  application: unknown;
  endedHow: string | null;
  agent: { name: string };
};

function parsed({ agent, ...row }: FoundLease): NamedLease {
  return {
    ...row,
    application: application.parse(row.application),
    endedHow: leaseEnd.nullable().catch(null).parse(row.endedHow),
    agentName: agent.name,
  };
}

import {
  renewedUntilMs,
  type Lease,
  type LeaseEnd,
  type LeasesQuery,
  type LeaseTerm,
  type RenewLeaseBody,
} from '@sallyport/contract';
import { appendAuditEvent, recordDenial } from '../audit/index.ts';
import { Operation, type Permission } from '../authorization/index.ts';
import { authorizedGroup } from '../groups/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import { pageOf, type Page } from '../platform/page-of.ts';
import type { Platform } from '../platform/platform.ts';
import { publishWakeup } from '../platform/wakeups.ts';
import { isInWindow } from './in-window.ts';
import {
  endOpen,
  findLease,
  listLeases,
  lockLease,
  prolong,
  type LeaseRow,
  type NamedLease,
} from './leases.store.ts';

export async function listGroupLeases(
  platform: Platform,
  op: Operation,
  groupName: string,
  query: LeasesQuery,
): Promise<Page<Lease>> {
  const { db, clock } = platform;
  const group = await authorizedGroup(platform, op, 'lease:read', groupName);
  const now = new Date(clock.now());
  const rows = await db.read((reader) => listLeases(reader, group.id, query, now));
  return pageOf(
    rows.map((row) => shown(row, now)),
    query.limit,
    ({ id }) => id,
  );
}

export async function getLease(platform: Platform, op: Operation, path: LeasePath): Promise<Lease> {
  const row = await authorizedLease(platform, op, 'lease:read', path);
  return shown(row, new Date(platform.clock.now()));
}

/** Ends a lease: its agent is told at once, and forgets the value. One that is over already stays as it is. */
export async function revokeLease(
  platform: Platform,
  op: Operation,
  path: LeasePath,
): Promise<Lease> {
  const { db, clock } = platform;
  const row = await authorizedLease(platform, op, 'lease:revoke', path);
  const now = new Date(clock.now());
  return db.transaction(async (tx) => {
    const ended = await endLeases(tx, { id: row.id }, 'revoked', now);
    if (ended > 0) await appendAuditEvent(tx, op, actOn('revoke', row), clock.now());
    return shown((await findLease(tx, row.id)) ?? row, now);
  });
}

/** Ends open leases and wakes the agents that hold them; returns how many there were. */
export async function endLeases(
  tx: Db,
  of: { id: string } | { secretId: string } | { agentId: string },
  how: LeaseEnd,
  now: Date,
): Promise<number> {
  const ended = await endOpen(tx, of, how, now);
  for (const agentId of new Set(ended.map((lease) => lease.agentId)))
    await publishWakeup(tx, { kind: 'leases', agentId });
  return ended.length;
}

/** An agent says that a program no longer needs its lease; a second time changes nothing. @throws AppError `lease.not_found` */
export async function giveBackLease(
  { db, clock }: Platform,
  op: Operation,
  agent: { agentId: string; groupId: string },
  { id, how }: { id: string; how: 'returned' | 'usedUp' },
): Promise<void> {
  await db.transaction(async (tx) => {
    const lease = await lockLease(tx, id, agent.agentId);
    if (lease === undefined) throw leaseNotFound();
    const ended = await endOpen(tx, { id }, how, new Date(clock.now()));
    if (ended.length === 0) return;
    const of = { id, groupId: agent.groupId, secretName: lease.secretName };
    await appendAuditEvent(tx, op, actOn('revoke', of), clock.now());
  });
}

/**
 * Prolongs an agent's lease from now on, within what the secret's policy says by now.
 *
 * @throws AppError `lease.not_found`, `lease.ended`, `lease.outside_window`, `lease.not_renewable`
 */
export async function renewLease(
  platform: Platform,
  { actor, address }: Operation,
  agent: { agentId: string; groupId: string },
  { id, requestId, ttlSeconds }: { id: string } & Omit<RenewLeaseBody, 'protocol'>,
): Promise<LeaseTerm> {
  const op = new Operation(actor, requestId, address);
  try {
    return await prolongNow(platform, op, agent, { id, ttlSeconds });
  } catch (error) {
    if (error instanceof AppError && /^lease\.(?!not_found$)/.test(error.code)) {
      const denial = { permission: 'lease:renew', groupId: agent.groupId };
      await recordDenial(platform, op, denial, { subject: `lease:${id}`, code: error.code });
    }
    throw error;
  }
}

/** Writes nothing where the lease would last hardly longer. */
async function prolongNow(
  { db, clock }: Platform,
  op: Operation,
  agent: { agentId: string; groupId: string },
  { id, ttlSeconds }: { id: string; ttlSeconds: number | undefined },
): Promise<LeaseTerm> {
  return db.transaction(async (tx) => {
    const lease = await lockLease(tx, id, agent.agentId);
    if (lease === undefined) throw leaseNotFound();
    const nowMs = clock.now();
    const { expiresAt, lastsUntil, endedAt, policy } = lease;
    if (endedAt !== null || expiresAt.getTime() <= nowMs || policy === null) throw leaseEnded();
    if (!isInWindow(policy.windows, nowMs)) throw outsideWindow();
    const ttlMs = Math.min(ttlSeconds ?? policy.ttlSeconds, policy.ttlSeconds) * 1000;
    const expiresAtMs = expiresAt.getTime();
    const lasting = { expiresAtMs, lastsUntilMs: lastsUntil.getTime() };
    const untilMs = renewedUntilMs(lasting, ttlMs, nowMs);
    if (untilMs === undefined)
      throw new AppError(
        'lease.not_renewable',
        'This lease lasts as long as it may already; take another one when it is over.',
      );
    if (untilMs === expiresAtMs) return termOf({ expiresAt, lastsUntil }, nowMs);
    const until = new Date(untilMs);
    await prolong(tx, id, until);
    const of = { id, groupId: agent.groupId, secretName: lease.secretName };
    await appendAuditEvent(tx, op, actOn('renew', of, until), clock.now());
    return termOf({ expiresAt: until, lastsUntil }, nowMs);
  });
}

/** What an agent is told of how long a lease lasts. */
export function termOf(
  { expiresAt, lastsUntil }: Pick<LeaseRow, 'expiresAt' | 'lastsUntil'>,
  nowMs: number,
): LeaseTerm {
  return {
    ttlSeconds: Math.max(1, Math.floor((expiresAt.getTime() - nowMs) / 1000)),
    expiresAt: expiresAt.toISOString(),
    lastsUntil: lastsUntil.toISOString(),
  };
}

export function outsideWindow(): AppError {
  return new AppError(
    'lease.outside_window',
    'This secret is not lent out at this hour; sallyport secret show tells when it is.',
  );
}

export function leaseEnded(): AppError {
  return new AppError('lease.ended', 'This lease is over; take another one.');
}

type LeasePath = { group: string; lease: string };

async function authorizedLease(
  platform: Platform,
  op: Operation,
  permission: Permission,
  path: LeasePath,
): Promise<NamedLease> {
  const group = await authorizedGroup(platform, op, permission, path.group);
  const row = await platform.db.read((reader) => findLease(reader, path.lease));
  if (row?.groupId !== group.id) throw leaseNotFound();
  return row;
}

function leaseNotFound(): AppError {
  return new AppError('lease.not_found', 'There is no such lease here, or you may not see it.');
}

function actOn(
  verb: 'revoke' | 'renew',
  { id, groupId, secretName }: Pick<LeaseRow, 'id' | 'groupId' | 'secretName'>,
  expiresAt?: Date,
) {
  return {
    action: `lease:${verb}`,
    subject: `lease:${id}`,
    groupId,
    outcome: 'done',
    details: {
      secret: secretName,
      ...(expiresAt === undefined ? {} : { expiresAt: expiresAt.toISOString() }),
    },
  } as const;
}

function shown(row: NamedLease, now: Date): Lease {
  const { id, version, agentId, agentName, application, expiresAt, maxUses, endedAt } = row;
  const over = expiresAt <= now ? 'expired' : 'active';
  return {
    id,
    secret: row.secretName,
    version,
    agentId,
    agentName,
    application,
    state: endedAt === null ? over : 'ended',
    grantedAt: row.grantedAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    lastsUntil: row.lastsUntil.toISOString(),
    maxUses,
    endedAt: endedAt?.toISOString() ?? null,
    endedHow: row.endedHow,
  };
}

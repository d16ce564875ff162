import {
  MAX_LEASES,
  type LeasePolicy,
  type TakeLeaseBody,
  type TakenLease,
} from '@sallyport/contract';
import type { AccessClaims } from '@sallyport/crypto/access-token';
import { importEncryptionPublicKey } from '@sallyport/crypto/encryption-key';
import { sealLeaseValue } from '@sallyport/crypto/lease-value';
import { agentMoved, agentRevoked, checkProtocol } from '../agents/index.ts';
import { appendAuditEvent, recordDenial } from '../audit/index.ts';
import { Operation } from '../authorization/index.ts';
import {
  countOpen,
  findLease,
  insertLease,
  isInWindow,
  leaseEnded,
  outsideWindow,
  termOf,
  type LeaseRow,
} from '../leases/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import type { Platform } from '../platform/platform.ts';
import { findLendable, holdBorrower, type Lendable } from './lend-secret.store.ts';
import { openVersion } from './open-version.ts';
import { secretNotFound } from './secrets.service.ts';

/**
 * Lends a secret to a program on the agent's host: the only way for its value to get there. The lease and its audit
 * event are committed before the value, sealed for this agent, is released. A second request with the same id gets
 * the same lease. The event carries the id of the program's request.
 *
 * @throws AppError `secret.not_found`, `secret.not_lent`, `lease.outside_window`, `lease.too_many`, `lease.ended`,
 * `envelope.unreadable`, `agent.revoked`
 */
export async function lendSecret(
  platform: Platform,
  { actor, address }: Operation,
  agent: AccessClaims,
  body: TakeLeaseBody,
): Promise<TakenLease> {
  const op = new Operation(actor, body.requestId, address);
  checkProtocol(body.protocol);
  const { db, clock } = platform;
  const nowMs = clock.now();
  try {
    return await db.transaction(async (tx) => {
      const borrower = await holdBorrower(tx, agent.agentId);
      // The row decides: this replica may not have heard of a revocation yet.
      if (borrower.revokedAt !== null) throw agentRevoked();
      if (borrower.groupId !== agent.groupId) throw agentMoved();
      const found = await existingLendable(tx, agent.groupId, body.secret);
      if (!isInWindow(found.policy.windows, nowMs)) throw outsideWindow();
      const lease = await grant(tx, platform, { op, agent, body, found, nowMs });
      // Before the commit, so that no lease is granted for a value that does not open.
      const value = await openVersion(platform, agent.groupId, found);
      try {
        const key = await importEncryptionPublicKey(borrower.encryptionKey);
        const sealed = await sealLeaseValue(lease.id, value, key);
        const { version, maxUses } = lease;
        return { ...termOf(lease, nowMs), version, maxUses, value: sealed };
      } finally {
        value.fill(0);
      }
    });
  } catch (error) {
    await recordRefusal(platform, op, { agent, body }, error);
    throw error;
  }
}

type Grant = {
  op: Operation;
  agent: AccessClaims;
  body: TakeLeaseBody;
  found: Lendable & { policy: LeasePolicy };
  nowMs: number;
};

async function grant(
  tx: Db,
  { clock }: Platform,
  { op, agent, body, found, nowMs }: Grant,
): Promise<LeaseRow> {
  const { ttlSeconds, maxTtlSeconds, maxUses } = found.policy;
  const now = new Date(nowMs);
  const wantedSeconds = Math.min(body.ttlSeconds ?? ttlSeconds, ttlSeconds);
  const row: LeaseRow = {
    id: body.id,
    groupId: agent.groupId,
    secretId: found.id,
    secretName: body.secret,
    version: found.version,
    agentId: agent.agentId,
    application: body.application,
    requestId: op.requestId,
    grantedAt: now,
    expiresAt: new Date(nowMs + wantedSeconds * 1000),
    lastsUntil: new Date(nowMs + maxTtlSeconds * 1000),
    maxUses,
    endedAt: null,
    endedHow: null,
  };
  if (!(await insertLease(tx, row))) return sameAgain(tx, row, now);
  // This one is counted too.
  if ((await countOpen(tx, agent.agentId, now)) > MAX_LEASES)
    throw new AppError(
      'lease.too_many',
      `This agent holds ${MAX_LEASES} leases; give back those that are not needed, or wait until they are over.`,
    );
  const { listener, pid, uid } = body.application;
  const act = {
    action: 'lease:grant',
    subject: `lease:${row.id}`,
    groupId: agent.groupId,
    outcome: 'done',
    details: {
      secret: body.secret,
      version: row.version,
      expiresAt: row.expiresAt.toISOString(),
      listener,
      pid,
      uid,
    },
  } as const;
  await appendAuditEvent(tx, op, act, clock.now());
  return row;
}

/** The lease that an earlier request with this id was granted, whose reply was lost. */
async function sameAgain(tx: Db, asked: LeaseRow, now: Date): Promise<LeaseRow> {
  const held = await findLease(tx, asked.id);
  const isSame =
    held?.agentId === asked.agentId &&
    held.secretId === asked.secretId &&
    // Another version would be another value.
    held.version === asked.version;
  if (!isSame || held.endedAt !== null || held.expiresAt <= now) throw leaseEnded();
  return held;
}

async function existingLendable(
  tx: Db,
  groupId: string,
  name: string,
): Promise<Lendable & { policy: LeasePolicy }> {
  const found = await findLendable(tx, groupId, name);
  if (found === undefined) throw secretNotFound();
  const { policy } = found;
  if (policy !== null) return { ...found, policy };
  throw new AppError(
    'secret.not_lent',
    'This secret is delivered, not lent out: read it as any other secret.',
  );
}

/** Puts refusals into the audit, such as those outside of the permitted hours or of too many leases. */
async function recordRefusal(
  platform: Platform,
  op: Operation,
  { agent, body }: { agent: AccessClaims; body: TakeLeaseBody },
  error: unknown,
): Promise<void> {
  if (!(error instanceof AppError) || !/^(?:lease|secret)\./.test(error.code)) return;
  const denial = { permission: 'lease:grant', groupId: agent.groupId };
  const on = { subject: `secret:${body.secret}`, code: error.code };
  await recordDenial(platform, op, denial, on);
}

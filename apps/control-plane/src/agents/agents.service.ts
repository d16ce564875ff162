import type { Agent, AgentsQuery } from '@sallyport/contract';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation, Permission } from '../authorization/index.ts';
import { startEpoch } from '../delivery-keys/index.ts';
import { advanceGroup, aheadOfWriters, authorizedGroup } from '../groups/index.ts';
import { endLeases } from '../leases/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import { pageOf, type Page } from '../platform/page-of.ts';
import type { Platform } from '../platform/platform.ts';
import { publishWakeup } from '../platform/wakeups.ts';
import { stateOf } from './agent-state.ts';
import { findAgent, listAgents, markRevoked, type AgentRow } from './agents.store.ts';

export async function getAgent({ db, clock }: Platform, op: Operation, id: string): Promise<Agent> {
  const row = await db.read((reader) => authorizedAgent(reader, op, 'agent:read', id));
  return shownAgent(row, new Date(clock.now()));
}

export async function listGroupAgents(
  platform: Platform,
  op: Operation,
  groupName: string,
  query: AgentsQuery,
): Promise<Page<Agent>> {
  const { id } = await authorizedGroup(platform, op, 'agent:read', groupName);
  return agentsOf(platform, [id], query);
}

/** The agents of every group in which the caller may see them. */
export async function listVisibleAgents(
  platform: Platform,
  op: Operation,
  query: AgentsQuery,
): Promise<Page<Agent>> {
  return agentsOf(platform, op.groupsWith('agent:read'), query);
}

async function agentsOf(
  { db, clock }: Platform,
  groupIds: string[] | undefined,
  query: AgentsQuery,
): Promise<Page<Agent>> {
  const now = new Date(clock.now());
  const rows = await db.read((reader) => listAgents(reader, groupIds, query, now));
  return pageOf(
    rows.map((row) => shownAgent(row, now)),
    query.limit,
    (agent) => agent.id,
  );
}

/**
 * Revokes an agent for ever: its waiting pull is answered, its sessions end on every replica, and the
 * group's next bundle is sealed with a key that it does not get. Revoking twice is the same as once.
 */
export async function revokeAgent(platform: Platform, op: Operation, id: string): Promise<Agent> {
  const { db, clock } = platform;
  const { groupId } = await db.read((reader) => authorizedAgent(reader, op, 'agent:revoke', id));
  return aheadOfWriters(platform, groupId, async (tx) => {
    const revoked = await endAgent(tx, platform, id);
    if (revoked !== undefined) {
      const { revision } = revoked;
      const act = {
        action: 'agent:revoke',
        subject: `agent:${id}`,
        groupId: revoked.groupId,
        outcome: 'done',
        details: { revision },
      } as const;
      await appendAuditEvent(tx, op, act, clock.now());
    }
    // Once more: it may have been moved meanwhile to a group that the caller may not touch.
    const row = await authorizedAgent(tx, op, 'agent:revoke', id);
    return shownAgent(row, new Date(clock.now()));
  });
}

/** Revokes an agent, in the group that it is in by then; undefined when it was revoked before. */
export async function endAgent(
  tx: Db,
  platform: Platform,
  id: string,
): Promise<{ groupId: string; revision: number } | undefined> {
  const now = new Date(platform.clock.now());
  const groupId = await markRevoked(tx, id, now);
  if (groupId === undefined) return undefined;
  const { revision } = await advanceGroup(tx, groupId);
  await startEpoch(tx, platform, groupId);
  await endLeases(tx, { agentId: id }, 'agentRevoked', now);
  await publishWakeup(tx, { kind: 'revoked', agentId: id });
  return { groupId, revision };
}

/**
 * The agent of a request's path, to do with it what the permission names. One that is not there and one
 * whose group the caller may not see are the same.
 *
 * @throws AppError `agent.not_found`, `permission.denied`
 */
export async function authorizedAgent(
  db: Db,
  op: Operation,
  permission: Permission,
  id: string,
): Promise<AgentRow> {
  const agent = await findAgent(db, id);
  if (agent === undefined) throw op.absent(permission, agentNotFound);
  op.authorizeIn(agent.groupId, permission, agentNotFound);
  return agent;
}

function agentNotFound(): AppError {
  return new AppError('agent.not_found', 'There is no such agent, or you may not see it.');
}

/** As operators see it. */
export function shownAgent(row: AgentRow, now: Date): Agent {
  const { id, name, appliedRevision, keyThumbprint, certificateIdentity, facts } = row;
  return {
    id,
    name,
    group: row.group.name,
    ...stateOf(row, now),
    appliedRevision,
    keyThumbprint,
    certificateIdentity,
    facts,
    enrolledAt: row.enrolledAt.toISOString(),
    lastSeenAt: row.lastSeenAt?.toISOString() ?? null,
    revokedAt: row.revokedAt?.toISOString() ?? null,
    clonedAt: row.clonedAt?.toISOString() ?? null,
  };
}

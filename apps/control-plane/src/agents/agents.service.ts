import type { Agent, PageQuery } from '@sallyport/contract';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation, Permission } from '../authorization/index.ts';
import { startEpoch } from '../delivery-keys/index.ts';
import { advanceGroup, aheadOfWriters, authorizedGroup } from '../groups/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import { pageOf, type Page } from '../platform/page-of.ts';
import type { Platform } from '../platform/platform.ts';
import { publishWakeup } from '../platform/wakeups.ts';
import { findAgent, listAgents, markRevoked, type AgentRow } from './agents.store.ts';

export async function getAgent({ db }: Platform, op: Operation, id: string): Promise<Agent> {
  return shown(await db.read((reader) => authorizedAgent(reader, op, 'agent:read', id)));
}

export async function listGroupAgents(
  platform: Platform,
  op: Operation,
  groupName: string,
  query: PageQuery,
): Promise<Page<Agent>> {
  const group = await authorizedGroup(platform, op, 'agent:read', groupName);
  const rows = await platform.db.read((reader) => listAgents(reader, group.id, query));
  return pageOf(rows.map(shown), query.limit, (agent) => agent.id);
}

/**
 * Revokes an agent for ever: its waiting pull is answered, its sessions end on every replica, and the
 * group's next bundle is sealed with a key that it does not get. Revoking twice is the same as once.
 */
export async function revokeAgent(platform: Platform, op: Operation, id: string): Promise<Agent> {
  const { db, clock } = platform;
  const { groupId } = await db.read((reader) => authorizedAgent(reader, op, 'agent:revoke', id));
  return aheadOfWriters(platform, groupId, async (tx) => {
    if (await markRevoked(tx, id, new Date(clock.now()))) {
      const { revision } = await advanceGroup(tx, groupId);
      await startEpoch(tx, platform, groupId);
      await publishWakeup(tx, { kind: 'revoked', agentId: id });
      const act = {
        action: 'agent:revoke',
        subject: `agent:${id}`,
        groupId,
        outcome: 'done',
        details: { revision },
      } as const;
      await appendAuditEvent(tx, op, act, clock.now());
    }
    return shown(await authorizedAgent(tx, op, 'agent:revoke', id));
  });
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
  const missing = new AppError('agent.not_found', 'There is no such agent, or you may not see it.');
  if (agent === undefined) throw op.absent(permission, missing);
  op.authorizeIn(agent.groupId, permission, missing);
  return agent;
}

export function shown(row: AgentRow): Agent {
  const { id, name, appliedRevision, keyThumbprint, certificateIdentity, facts } = row;
  return {
    id,
    name,
    group: row.group.name,
    state: row.revokedAt !== null ? 'revoked' : row.lostAt !== null ? 'lost' : 'active',
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

import type { Agent } from '@sallyport/contract';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { startEpoch } from '../delivery-keys/index.ts';
import { advanceGroup, aheadOfWriters, authorizedGroup, holdGroup } from '../groups/index.ts';
import { endLeases } from '../leases/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import { publishWakeup } from '../platform/wakeups.ts';
import { authorizedAgent, shownAgent } from './agents.service.ts';
import { moveToGroup } from './agents.store.ts';

/**
 * Puts an agent into another group. Its keys, agent tokens and certificates stay; its sessions end on every replica,
 * and the old group's next bundle is sealed with a key that it does not get. Into the group that it is in already
 * nothing is done.
 *
 * @throws AppError `agent.not_found`, `group.not_found`, `permission.denied` in either group, `agent.cannot_move`
 */
export async function moveAgent(
  platform: Platform,
  op: Operation,
  id: string,
  groupName: string,
): Promise<Agent> {
  const { db, clock } = platform;
  const agent = await db.read((reader) => authorizedAgent(reader, op, 'agent:move', id));
  const { id: to } = await authorizedGroup(platform, op, 'agent:move', groupName);
  const { groupId: from } = agent;
  const now = new Date(clock.now());
  if (from === to && agent.revokedAt === null) return shownAgent(agent, now);
  return aheadOfWriters(platform, from, async (tx) => {
    await holdGroup(tx, to);
    if (from === to || !(await moveToGroup(tx, id, { from, to, now }))) throw cannotMove();
    const { revision } = await advanceGroup(tx, from);
    await startEpoch(tx, platform, from);
    await endLeases(tx, { agentId: id }, 'agentMoved', now);
    await publishWakeup(tx, { kind: 'moved', agentId: id, groupId: to });
    const act = { action: 'agent:move', subject: `agent:${id}`, outcome: 'done' } as const;
    // By id: who reads the audit of one group may not know the name of the other.
    const left = { ...act, groupId: from, details: { to, revision } };
    await appendAuditEvent(tx, op, left, clock.now());
    await appendAuditEvent(tx, op, { ...act, groupId: to, details: { from } }, clock.now());
    return shownAgent(await authorizedAgent(tx, op, 'agent:move', id), now);
  });
}

function cannotMove(): AppError {
  return new AppError(
    'agent.cannot_move',
    'This agent is revoked, or somebody else has moved it meanwhile; look at it again. A revoked one has to enrol.',
  );
}

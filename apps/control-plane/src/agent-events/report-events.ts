import type { AgentEvent, ReportEventsBody } from '@sallyport/contract';
import type { AccessClaims } from '@sallyport/crypto/access-token';
import { agentRevoked, checkProtocol } from '../agents/index.ts';
import { appendAgentEvents } from '../audit/index.ts';
import { Operation } from '../authorization/index.ts';
import type { Platform } from '../platform/platform.ts';
import { takeBatch } from './agent-events.store.ts';

/**
 * Records what an agent tells of what it did, under the request ids of its programs, so that one query finds a
 * request on both sides. Told again after a lost reply, a batch is recorded once. That an event is told by its agent
 * shows in its actor: nothing here vouches for more.
 *
 * @throws AppError `protocol.unsupported`, `agent.revoked`
 */
export async function reportEvents(
  { db, clock }: Platform,
  op: Operation,
  agent: AccessClaims,
  { protocol, batch, group, events }: ReportEventsBody,
): Promise<void> {
  checkProtocol(protocol);
  await db.transaction(async (tx) => {
    const taken = await takeBatch(tx, agent.agentId, batch);
    if (taken === 'revoked') throw agentRevoked();
    if (taken === 'again') return;
    const acts = events.map((event) => ({
      op: new Operation(op.actor, event.requestId ?? op.requestId, op.address),
      // Of the group that it has left, only who sees every group is told: it is the agent that says which it was.
      act: { ...actOf(event), ...(group === agent.groupId ? { groupId: group } : {}) },
    }));
    await appendAgentEvents(tx, acts, clock.now());
  });
}

function actOf(event: AgentEvent) {
  const { at, action, subject, outcome, application, count, code, version } = event;
  const told = { happenedAt: at, count, code, version, ...application };
  const known = Object.entries(told).filter(([, value]) => value !== null);
  const details: Partial<typeof told> = Object.fromEntries(known);
  return { action, subject, outcome, details };
}

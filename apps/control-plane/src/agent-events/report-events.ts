import type { AgentEvent, ReportedEventsBody } from '@sallyport/contract';
import type { AccessClaims } from '@sallyport/crypto/access-token';
import { agentRevoked, checkProtocol } from '../agents/index.ts';
import { appendAuditEvents } from '../audit/index.ts';
import { Operation } from '../authorization/index.ts';
import type { Platform } from '../platform/platform.ts';
import { takeBatch } from './agent-events.store.ts';

/**
 * Records what an agent tells of what it did, under the request ids of its programs, so that one query finds a
 * request on both sides. Told again after a lost reply, a batch is recorded once. Of events of an unknown kind it is
 * recorded how many were dropped. That an event is told by its agent
 * shows in its actor: nothing here vouches for more.
 *
 * @throws AppError `protocol.unsupported`, `agent.revoked`
 */
export async function reportEvents(
  { db, clock }: Platform,
  op: Operation,
  agent: AccessClaims,
  { protocol, batch, group, events }: ReportedEventsBody,
): Promise<void> {
  checkProtocol(protocol);
  await db.transaction(async (tx) => {
    const taken = await takeBatch(tx, agent.agentId, batch);
    if (taken === 'revoked') throw agentRevoked();
    if (taken === 'again') return;
    // Of the group that it has left, only who sees every group is told: it is the agent that says which it was.
    const of = group === agent.groupId ? { groupId: group } : {};
    const acts = events
      .filter((event) => event.action !== 'unknown')
      .map((event) => ({
        op: new Operation(op.actor, event.requestId ?? op.requestId, op.address),
        act: { ...actOf(event), ...of },
      }));
    const dropped = dropOf(events).map((act) => ({ op, act: { ...act, ...of } }));
    await appendAuditEvents(tx, [...acts, ...dropped], clock.now());
  });
}

/** What tells of the events that are of an unknown kind; nothing where there are none. */
function dropOf(events: ReportedEventsBody['events']) {
  const count = events.reduce(
    (sum, event) => sum + (event.action === 'unknown' ? event.count : 0),
    0,
  );
  const details = { code: 'event.unknown', count };
  const act = { action: 'events:drop', subject: 'agent', outcome: 'done', details } as const;
  return count === 0 ? [] : [act];
}

function actOf(event: AgentEvent) {
  const { at, action, subject, outcome, application, count, code, version } = event;
  const told = { happenedAt: at, count, code, version, ...application };
  const known = Object.entries(told).filter(([, value]) => value !== null);
  const details: Partial<typeof told> = Object.fromEntries(known);
  return { action, subject, outcome, details };
}

import type { AgentEvent, ReportEventsBody } from '@sallyport/contract';
import type { AccessClaims } from '@sallyport/crypto/access-token';
import { checkProtocol } from '../agents/index.ts';
import { appendAgentEvents } from '../audit/index.ts';
import { Operation } from '../authorization/index.ts';
import type { Platform } from '../platform/platform.ts';
import { takeBatch } from './agent-events.store.ts';

/**
 * Records what an agent tells of what it did, under the request ids of its programs, so that one query finds a
 * request on both sides. Told again after a lost reply, a batch is recorded once. That an event is told by its agent
 * shows in its actor: nothing here vouches for more.
 *
 * @throws AppError `protocol.unsupported`
 */
export async function reportEvents(
  { db, clock }: Platform,
  op: Operation,
  agent: AccessClaims,
  { protocol, batch, events }: ReportEventsBody,
): Promise<void> {
  checkProtocol(protocol);
  await db.transaction(async (tx) => {
    if (!(await takeBatch(tx, agent.agentId, batch))) return;
    const acts = events.map((event) => ({
      op: new Operation(op.actor, event.requestId ?? op.requestId, op.address),
      act: actOf(event, agent.groupId),
    }));
    await appendAgentEvents(tx, acts, clock.now());
  });
}

function actOf(event: AgentEvent, groupId: string) {
  const { at, action, subject, outcome, application, count, code, version } = event;
  const told = { happenedAt: at, count, code, version, ...application };
  const known = Object.entries(told).filter(([, value]) => value !== null);
  const details: Partial<typeof told> = Object.fromEntries(known);
  return { action, subject, groupId, outcome, details };
}

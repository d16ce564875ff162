import { hash } from 'node:crypto';
import type { ClonePolicy, Generation } from '@sallyport/contract';
import type { AccessGrant } from '@sallyport/crypto/access-token';
import { appendAuditEvent } from '../audit/index.ts';
import { Operation } from '../authorization/index.ts';
import type { Platform } from '../platform/platform.ts';
import { agentCloned } from './agent-refusals.ts';
import { markCloned, resetGeneration, takeGeneration } from './agents.store.ts';

/** What an access token tells of the generation that its session left: not itself, which is for the next to show. */
export function generationDigest(generation: string): string {
  return hash('sha256', generation, 'base64url');
}

/** A copy that comes again and again is in the audit once in this time. */
const NOTED_MS = 3_600_000;

/**
 * Moves the agent on to its next generation. Of two hosts that share a copied state directory the second shows a
 * generation that is over: that is recorded, and by the group's policy refused.
 *
 * @throws AppError `agent.cloned`
 */
export async function findClone(
  { db, clock }: Platform,
  from: { requestId: string; address: string },
  { agentId, agentName = agentId, groupId }: AccessGrant,
  { shown, policy }: { shown: Generation | undefined; policy: ClonePolicy },
): Promise<void> {
  if (await db.write((writer) => takeGeneration(writer, agentId, shown))) return;
  const isRefused = policy === 'refuse';
  await db.transaction(async (tx) => {
    const [now, noted] = [new Date(clock.now()), new Date(clock.now() - NOTED_MS)];
    if (!isRefused) await resetGeneration(tx, agentId, shown?.next ?? null);
    if (!(await markCloned(tx, agentId, now, noted))) return;
    const actor = { kind: 'agent', id: agentId, name: agentName } as const;
    const act = {
      action: 'agent:clone',
      subject: `agent:${agentId}`,
      groupId,
      outcome: isRefused ? 'refused' : 'done',
    } as const;
    await appendAuditEvent(
      tx,
      new Operation(actor, from.requestId, from.address),
      act,
      clock.now(),
    );
  });
  if (isRefused) throw agentCloned();
}

import type { Agent } from '@sallyport/contract';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { isUniqueViolation } from '../platform/db.ts';
import type { Platform } from '../platform/platform.ts';
import { identityTaken } from './agent-refusals.ts';
import { authorizedAgent, shownAgent } from './agents.service.ts';
import { releaseIdentity, setIdentity } from './agents.store.ts';

/**
 * Says which certificate of the organisation's own CA is the agent's, or that none is. Sessions that another one
 * opened end at their next renewal.
 *
 * @throws AppError `agent.identity_taken`, `agent.not_found`, `permission.denied`
 */
export async function updateAgent(
  { db, clock }: Platform,
  op: Operation,
  id: string,
  { certificateIdentity }: { certificateIdentity: string | null },
): Promise<Agent> {
  try {
    return await db.transaction(async (tx) => {
      const before = await authorizedAgent(tx, op, 'agent:update', id);
      if (certificateIdentity !== null) await releaseIdentity(tx, certificateIdentity);
      await setIdentity(tx, id, certificateIdentity);
      const act = {
        action: 'agent:update',
        subject: `agent:${id}`,
        groupId: before.groupId,
        outcome: 'done',
        details: {
          before: { certificateIdentity: before.certificateIdentity },
          after: { certificateIdentity },
        },
      } as const;
      await appendAuditEvent(tx, op, act, clock.now());
      return shownAgent({ ...before, certificateIdentity }, new Date(clock.now()));
    });
  } catch (error) {
    throw isUniqueViolation(error) ? identityTaken(error) : error;
  }
}

import type { RefusedUses } from '../audit/index.ts';
import { Operation } from '../authorization/index.ts';
import type { AppError } from '../platform/app-error.ts';
import type { AgentRow } from './agents.store.ts';

/** Audits that an agent which has proved itself gets no session; what comes back is to be thrown. */
export type RefuseAgent = (
  agent: Pick<AgentRow, 'id' | 'name' | 'groupId'>,
  refusal: AppError,
  tokenId?: string,
) => Promise<AppError>;

/** For one request. */
export function refuseAgent(
  refused: RefusedUses,
  { requestId, address }: { requestId: string; address: string },
): RefuseAgent {
  return ({ id, name, groupId }, refusal, tokenId) => {
    const op = new Operation({ kind: 'agent', id, name }, requestId, address);
    const subject = tokenId === undefined ? `agent:${id}` : `agent-token:${tokenId}`;
    return refused.noted(op, { action: 'agent-session:create', subject, groupId }, refusal);
  };
}

import { uuid } from '@sallyport/contract';
import type { AccessGrant } from '@sallyport/crypto/access-token';
import { verifyAssertion, type VerifiedAssertion } from '@sallyport/crypto/assertion';
import { importVerificationKey } from '@sallyport/crypto/signing-key';
import { decodeJwt } from 'jose';
import { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import { agentRevoked, agentUnknown } from './agent-refusals.ts';
import { findAgent, useAssertion, type AgentRow } from './agents.store.ts';
import { proofRefusal } from './proof-refusal.ts';
import type { RefuseAgent } from './refuse-agent.ts';

/**
 * The agent that signed the assertion (RFC 7523, section 3), which can be used once.
 *
 * @throws AppError `assertion.invalid`, `assertion.replayed`, `clock.skewed`, `agent.unknown`, `agent.revoked`
 */
export async function agentOfAssertion(
  platform: Platform,
  assertion: string,
  refuse: RefuseAgent,
): Promise<AccessGrant> {
  const { db, clock } = platform;
  const agent = await namedAgent(platform, assertion);
  const { jti, expiresAtMs } = await verified(agent, assertion, clock.now());
  if (agent.revokedAt !== null) throw await refuse(agent, agentRevoked());
  // Kept past the clock tolerance, so that it outlives the assertion on any replica.
  const keptUntil = new Date(expiresAtMs + 10 * 60_000);
  if (!(await db.write((writer) => useAssertion(writer, `${agent.id}:${jti}`, keptUntil)))) {
    throw new AppError('assertion.replayed', 'This assertion was used before; sign a new one.');
  }
  const { id: agentId, groupId, keyThumbprint } = agent;
  return { agentId, groupId, cnf: { jkt: keyThumbprint }, method: 'key' };
}

async function namedAgent({ db }: Platform, assertion: string): Promise<AgentRow> {
  const id = uuid.safeParse(issuerOf(assertion));
  if (!id.success) throw new AppError('assertion.invalid', 'The assertion names no agent.');
  const agent = await db.read((reader) => findAgent(reader, id.data));
  if (agent === undefined) throw agentUnknown();
  return agent;
}

function issuerOf(assertion: string): string | undefined {
  try {
    return decodeJwt(assertion).iss;
  } catch {
    return undefined;
  }
}

async function verified(
  agent: AgentRow,
  assertion: string,
  nowMs: number,
): Promise<VerifiedAssertion> {
  try {
    return await verifyAssertion(
      assertion,
      agent.id,
      importVerificationKey(agent.signingKey),
      nowMs,
    );
  } catch (error) {
    throw proofRefusal(error, 'assertion.invalid', 'The assertion is not accepted');
  }
}

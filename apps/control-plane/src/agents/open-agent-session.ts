import { uuid, type SessionReply } from '@sallyport/contract';
import { ACCESS_TOKEN_TTL_SECONDS, issueAccessToken } from '@sallyport/crypto/access-token';
import { verifyAssertion, type VerifiedAssertion } from '@sallyport/crypto/assertion';
import { importVerificationKey } from '@sallyport/crypto/signing-key';
import { decodeJwt } from 'jose';
import { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import type { Trust } from '../trust/index.ts';
import { findAgent, useAssertion, type AgentRow } from './agents.store.ts';
import { checkProtocol } from './check-protocol.ts';
import { proofRefusal } from './proof-refusal.ts';

/**
 * Opens a session for the agent that signed the assertion (RFC 7523, section 3).
 *
 * @throws AppError `assertion.invalid`, `assertion.replayed`, `clock.skewed`, `agent.unknown`, `agent.revoked`
 */
export async function openAgentSession(
  platform: Platform,
  trust: Trust,
  body: { protocol: number; assertion: string },
): Promise<SessionReply> {
  checkProtocol(body.protocol);
  const { db, clock } = platform;
  const agent = await namedAgent(platform, body.assertion);
  const { jti, expiresAtMs } = await verified(agent, body.assertion, clock.now());
  if (agent.revokedAt !== null) throw agentRevoked();
  // Kept past the clock tolerance, so that it outlives the assertion on any replica.
  const keptUntil = new Date(expiresAtMs + 10 * 60_000);
  if (!(await db.read((writer) => useAssertion(writer, `${agent.id}:${jti}`, keptUntil)))) {
    throw new AppError('assertion.replayed', 'This assertion was used before; sign a new one.');
  }
  const claims = { agentId: agent.id, groupId: agent.groupId, keyThumbprint: agent.keyThumbprint };
  return {
    accessToken: await issueAccessToken(trust.signingKeys.signer, claims, clock.now()),
    tokenType: 'DPoP',
    expiresInSeconds: ACCESS_TOKEN_TTL_SECONDS,
  };
}

/** What a revoked agent is told, and what makes it wipe its cache. */
export function agentRevoked(): AppError {
  return new AppError(
    'agent.revoked',
    'This agent was revoked; enrol it again if it should come back.',
  );
}

async function namedAgent({ db }: Platform, assertion: string): Promise<AgentRow> {
  const id = uuid.safeParse(issuerOf(assertion));
  if (!id.success) throw new AppError('assertion.invalid', 'The assertion names no agent.');
  const agent = await db.read((reader) => findAgent(reader, id.data));
  if (agent === undefined)
    throw new AppError('agent.unknown', 'No agent of this id is enrolled here; enrol it again.');
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

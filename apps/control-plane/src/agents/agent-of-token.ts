import type { AccessGrant } from '@sallyport/crypto/access-token';
import { CryptoError } from '@sallyport/crypto/crypto-error';
import { parseToken, type Token } from '@sallyport/crypto/token';
import { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import type { TokenChecks } from '../platform/token-checks.ts';
import { agentTokenUnknown, agentUnknown } from './agent-refusals.ts';
import { findAgentToken, noteTokenUse, type AgentTokenRow } from './agent-tokens.store.ts';
import { findAgent, type AgentRow } from './agents.store.ts';

/**
 * The agent whose token this is. `acceptKey` takes the proof that the agent's own key made: it comes before the
 * hash, so that a token which was copied costs nobody anything, and is of no use without the key.
 *
 * @throws AppError `agent_token.malformed`, `agent_token.unknown`, `hashing.busy`, and what `acceptKey` throws
 */
export async function agentOfToken(
  { db, clock }: Platform,
  tokens: TokenChecks,
  text: string,
  acceptKey: (agent: Pick<AgentRow, 'id' | 'keyThumbprint'>) => void,
): Promise<AccessGrant> {
  const token = readToken(text);
  const row = await db.read((reader) => findAgentToken(reader, token.id));
  if (row === undefined) throw agentTokenUnknown();
  const agent = await db.read((reader) => findAgent(reader, row.agentId));
  if (agent === undefined) throw agentUnknown();
  acceptKey(agent);
  if (!(await matches(tokens, token, row, clock.now()))) throw agentTokenUnknown();
  await db.read((writer) => noteTokenUse(writer, row.id, new Date(clock.now())));
  const { id: agentId, groupId, keyThumbprint } = agent;
  return { agentId, groupId, keyThumbprint, method: 'token', tokenId: row.id };
}

/** Whether it has ended is told afterwards, of the row as it is then; one that has is not remembered. */
async function matches(
  tokens: TokenChecks,
  token: Token,
  { secretHash, revokedAt, expiresAt }: AgentTokenRow,
  nowMs: number,
): Promise<boolean> {
  const ended = revokedAt !== null || expiresAt.getTime() <= nowMs;
  return ended ? tokens.matchesAlone(token, secretHash) : tokens.matches(token, secretHash);
}

function readToken(text: string): Token {
  try {
    return parseToken(text, 'agent');
  } catch (error) {
    if (error instanceof CryptoError)
      throw new AppError(
        'agent_token.malformed',
        `The agent token is not accepted: ${error.message}.`,
        { cause: error },
      );
    throw error;
  }
}

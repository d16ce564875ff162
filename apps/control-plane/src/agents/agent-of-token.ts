import type { AccessGrant } from '@sallyport/crypto/access-token';
import type { Token } from '@sallyport/crypto/token';
import type { AppError } from '../platform/app-error.ts';
import { hashingBusy } from '../platform/bounded-pool.ts';
import type { Platform } from '../platform/platform.ts';
import { readToken } from '../platform/read-token.ts';
import { TokenChecks } from '../platform/token-checks.ts';
import { Turns } from '../platform/turns.ts';
import {
  agentRevoked,
  agentTokenExpired,
  agentTokenRevoked,
  agentTokenUnknown,
  agentUnknown,
} from './agent-refusals.ts';
import { findAgentToken, noteTokenUse, type AgentTokenRow } from './agent-tokens.store.ts';
import { findAgent, type AgentRow } from './agents.store.ts';
import type { RefuseAgent } from './refuse-agent.ts';

/** One hash at a time for one agent, and so for whoever has its key; one more waits, for a reply that was lost. */
const PER_AGENT = { concurrency: 1, queued: 1, refusal: hashingBusy };

/** Checks agent tokens, one at a time for each agent, so that one that tries many does not keep the others waiting. */
export class AgentTokenChecks {
  readonly #tokens: TokenChecks;
  readonly #turns = new Turns(PER_AGENT);

  constructor({ clock, agentTokenHashing }: Platform) {
    this.#tokens = new TokenChecks(clock, agentTokenHashing);
  }

  /** @throws AppError `hashing.busy` */
  async matches(token: Token, { agentId, secretHash }: AgentTokenRow): Promise<boolean> {
    return this.#turns.take(agentId, () => this.#tokens.matches(token, secretHash));
  }
}

/**
 * The agent whose token this is. `acceptKey` checks the proof by the agent's own key, before the hash: a copied
 * token is of no use without the key, and costs no hash. A token that cannot open a session is not hashed either:
 * its agent asks again and again, and other tokens would wait for their hash.
 *
 * @throws AppError `agent_token.*`, `agent.revoked`, `hashing.busy`, and what `acceptKey` throws
 */
export async function agentOfToken(
  { db, clock }: Platform,
  checks: AgentTokenChecks,
  text: string,
  {
    acceptKey,
    refuse,
  }: {
    acceptKey: (agent: Pick<AgentRow, 'id' | 'keyThumbprint'>) => void;
    refuse: RefuseAgent;
  },
): Promise<AccessGrant> {
  const token = readToken(text, 'agent');
  const row = await db.read((reader) => findAgentToken(reader, token.id));
  if (row === undefined) throw agentTokenUnknown();
  const agent = await db.read((reader) => findAgent(reader, row.agentId));
  if (agent === undefined) throw agentUnknown();
  acceptKey(agent);
  if (agent.revokedAt !== null) throw await refuse(agent, agentRevoked());
  const refuseToken = (refusal: AppError) => refuse(agent, refusal, row.id);
  if (row.revokedAt !== null) throw await refuseToken(agentTokenRevoked());
  if (row.expiresAt.getTime() <= clock.now()) throw await refuseToken(agentTokenExpired());
  if (!(await checks.matches(token, row))) throw await refuseToken(agentTokenUnknown());
  await db.write((writer) => noteTokenUse(writer, row.id, new Date(clock.now())));
  const { id: agentId, groupId, keyThumbprint } = agent;
  return { agentId, groupId, cnf: { jkt: keyThumbprint }, method: 'token', tokenId: row.id };
}

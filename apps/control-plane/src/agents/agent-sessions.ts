import { ASSERTION_GRANT, type SessionBody, type SessionReply } from '@sallyport/contract';
import {
  ACCESS_TOKEN_TTL_SECONDS,
  issueAccessToken,
  type AccessClaims,
  type AccessGrant,
} from '@sallyport/crypto/access-token';
import type { Platform } from '../platform/platform.ts';
import type { Trust } from '../trust/index.ts';
import { agentOfAssertion } from './agent-of-assertion.ts';
import { agentOfToken, AgentTokenChecks } from './agent-of-token.ts';
import {
  agentRevoked,
  agentTokenExpired,
  agentTokenRevoked,
  agentUnknown,
  methodRefused,
} from './agent-refusals.ts';
import { findStanding, type Standing } from './agent-standing.store.ts';
import type { AgentAuthenticator, AgentRequest } from './authenticate-agent.ts';
import { findClone } from './find-clones.ts';

/** Opens and renews the sessions of agents. No two ways to open one mix: what it was opened with is in it. */
export class AgentSessions {
  readonly #platform: Platform;
  readonly #trust: Trust;
  readonly #authenticator: AgentAuthenticator;
  readonly #tokens: AgentTokenChecks;

  constructor(platform: Platform, trust: Trust, authenticator: AgentAuthenticator) {
    this.#platform = platform;
    this.#trust = trust;
    this.#authenticator = authenticator;
    this.#tokens = new AgentTokenChecks(platform);
  }

  /**
   * For the agent that signed the assertion (RFC 7523, section 3), or that holds the agent token and its key.
   *
   * @throws AppError `assertion.*`, `agent_token.*`, `agent.*`, `dpop.*`, `clock.skewed`, `hashing.busy`
   */
  async open(
    body: SessionBody,
    request: AgentRequest,
    from: { requestId: string; address: string },
  ): Promise<SessionReply> {
    const opener =
      body.grantType === ASSERTION_GRANT
        ? await agentOfAssertion(this.#platform, body.assertion)
        : await agentOfToken(this.#platform, this.#tokens, body.token, (agent) =>
            this.#authenticator.acceptKey(request, agent),
          );
    const standing = await this.#standing(opener);
    const { generation: shown } = body;
    await findClone(this.#platform, from, opener, { shown, policy: standing.clones });
    return this.#issue(opener, standing);
  }

  /**
   * Another access token of the same standing, for a session that is still open: whoever shows one has proved
   * itself a moment ago, so that nothing is hashed. What the session was opened with must still be good.
   *
   * @throws AppError `agent.unknown`, `agent.revoked`, `agent.method_refused`, `agent_token.*`
   */
  async renew(claims: AccessClaims): Promise<SessionReply> {
    return this.#issue(claims, await this.#standing(claims));
  }

  async #standing({ agentId, tokenId, method }: AccessGrant): Promise<Standing> {
    const standing = await findStanding(this.#platform.db, agentId, tokenId);
    if (standing === undefined) throw agentUnknown();
    if (standing.agentRevoked) throw agentRevoked();
    if (!standing.methods.includes(method)) throw methodRefused(method);
    return standing;
  }

  #issue(opener: AccessGrant, standing: Standing): SessionReply {
    const now = this.#platform.clock.now();
    const { tokenId } = opener;
    const leftSeconds = tokenId === undefined ? Infinity : secondsLeft(standing.token, now);
    const expiresInSeconds = Math.min(ACCESS_TOKEN_TTL_SECONDS, leftSeconds);
    const accessToken = issueAccessToken(
      this.#trust.signingKeys.signer,
      opener,
      now,
      expiresInSeconds,
    );
    const expiresAtMs = (Math.floor(now / 1000) + expiresInSeconds) * 1000;
    this.#authenticator.remember(accessToken, { ...opener, expiresAtMs });
    return {
      accessToken,
      tokenType: 'DPoP',
      expiresInSeconds,
    };
  }
}

/**
 * A session does not outlive the token that opened it, as it stands now: by the tolerance of clocks at most, and
 * by what is left of its own life when a rotation ends the token sooner.
 */
function secondsLeft(
  token: { revoked: boolean; expiresAt: Date } | undefined,
  nowMs: number,
): number {
  if (token?.revoked === true) throw agentTokenRevoked();
  const seconds = Math.floor(((token?.expiresAt.getTime() ?? 0) - nowMs) / 1000);
  if (seconds < 1) throw agentTokenExpired();
  return seconds;
}

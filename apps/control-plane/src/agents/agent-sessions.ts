import {
  AGENT_TOKEN_GRANT,
  ASSERTION_GRANT,
  CERTIFICATE_GRANT,
  NAMED_TRUST_PROTOCOL,
  type SessionBody,
  type SessionReply,
} from '@sallyport/contract';
import {
  ACCESS_TOKEN_TTL_SECONDS,
  issueAccessToken,
  type AccessClaims,
  type AccessGrant,
} from '@sallyport/crypto/access-token';
import { RefusedUses } from '../audit/index.ts';
import type { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import type { Trust } from '../trust/index.ts';
import { newestExpiry } from './agent-certificates.store.ts';
import { agentOfAssertion } from './agent-of-assertion.ts';
import { agentOfCertificate } from './agent-of-certificate.ts';
import { agentOfToken, AgentTokenChecks } from './agent-of-token.ts';
import {
  agentRevoked,
  agentTokenExpired,
  agentTokenRevoked,
  agentUnknown,
  clientCertificateUnenrolled,
  methodRefused,
  recoveryOver,
  sessionSuperseded,
} from './agent-refusals.ts';
import { Standings, type Standing } from './agent-standing.store.ts';
import type { AgentAuthenticator, AgentRequest } from './authenticate-agent.ts';
import { checkProtocol } from './check-protocol.ts';
import { findClone, generationDigest } from './find-clones.ts';
import { refuseAgent, type RefuseAgent } from './refuse-agent.ts';

const DAY_MS = 24 * 3_600_000;

type Origin = { requestId: string; address: string };

/** Opens and renews the sessions of agents. The ways to open one do not mix: each session keeps what it was opened with. */
export class AgentSessions {
  readonly #platform: Platform;
  readonly #trust: Trust;
  readonly #authenticator: AgentAuthenticator;
  readonly #tokens: AgentTokenChecks;
  readonly #standings: Standings;
  readonly #refused: RefusedUses;

  constructor(platform: Platform, trust: Trust, authenticator: AgentAuthenticator) {
    this.#platform = platform;
    this.#trust = trust;
    this.#authenticator = authenticator;
    this.#tokens = new AgentTokenChecks(platform);
    this.#standings = new Standings(platform.db);
    this.#refused = new RefusedUses(platform);
  }

  /**
   * For the agent that signed the assertion (RFC 7523, section 3), that holds the agent token and its key, or whose
   * certificate the connection was made with (RFC 8705).
   *
   * @throws AppError `assertion.*`, `agent_token.*`, `client_certificate.*`, `agent.*`, `dpop.*`, `clock.skewed`,
   * `hashing.busy`
   */
  async open(body: SessionBody, request: AgentRequest, from: Origin): Promise<SessionReply> {
    const refuse = refuseAgent(this.#refused, from);
    const shownBy = await this.#opener(body, request, refuse);
    const { opener, standing } = await this.#allowed(shownBy, body, refuse);
    const { generation: shown } = body;
    await findClone(this.#platform, from, opener, { shown, policy: standing.clones });
    const left = shown === undefined ? {} : { generation: generationDigest(shown.next) };
    return this.#issue(
      { ...opener, ...left },
      { standing, request, protocol: body.protocol, refuse },
    );
  }

  /**
   * Another access token for a session that is still open. The agent has proved itself a moment ago, so nothing is
   * hashed. What the session was opened with must still be good, and no session of this agent may have been opened
   * since: it may be that of a copy of the agent's state, which shows when one of the two opens another.
   *
   * @throws AppError `access_token.expired`, `agent.unknown`, `agent.revoked`, `agent.method_refused`, `agent_token.*`,
   * `client_certificate.*`
   */
  async renew(
    claims: AccessClaims,
    request: AgentRequest,
    { protocol }: { protocol: number },
    from: Origin,
  ): Promise<SessionReply> {
    const refuse = refuseAgent(this.#refused, from);
    await this.#checkCertificate(claims, request);
    const { standing } = await this.#allowed(claims, { protocol }, refuse);
    const { agentName, group, generation } = standing;
    const isNewest = generation === null || generationDigest(generation) === claims.generation;
    if (!isNewest && claims.generation !== undefined) throw sessionSuperseded();
    const still = { ...claims, agentName, groupId: group.id };
    return this.#issue(still, { standing, request, protocol, refuse });
  }

  /** Whose a certificate is may have changed since it opened the session. */
  async #checkCertificate(claims: AccessClaims, request: AgentRequest): Promise<void> {
    if (claims.method !== 'certificate') return;
    const shown = this.#authenticator.certificateOf(request);
    const { agentId } = await agentOfCertificate(this.#platform, this.#trust, shown);
    if (agentId !== claims.agentId) throw clientCertificateUnenrolled();
  }

  async #opener(
    body: SessionBody,
    request: AgentRequest,
    refuse: RefuseAgent,
  ): Promise<AccessGrant> {
    switch (body.grantType) {
      case ASSERTION_GRANT:
        return agentOfAssertion(this.#platform, body.assertion, refuse);
      case AGENT_TOKEN_GRANT:
        return agentOfToken(this.#platform, this.#tokens, body.token, {
          acceptKey: (agent) => this.#authenticator.acceptKey(request, agent),
          refuse,
        });
      case CERTIFICATE_GRANT:
        return agentOfCertificate(
          this.#platform,
          this.#trust,
          this.#authenticator.certificateOf(request),
        );
    }
  }

  /** What the agent may open a session with, in the group that it is in now; perhaps one for a new certificate alone. */
  async #allowed(
    shown: AccessGrant,
    { protocol }: { protocol: number },
    refuse: RefuseAgent,
  ): Promise<{ opener: AccessGrant; standing: Standing }> {
    const { agentId, tokenId, method } = shown;
    const standing = await this.#standings.find(agentId, tokenId);
    if (standing === undefined) throw agentUnknown();
    if (standing.agentRevoked) throw await refuse(refusable(agentId, standing), agentRevoked());
    // An older agent is not told of its new group, and would refuse everything from there.
    if (standing.wasMoved) checkProtocol(protocol, NAMED_TRUST_PROTOCOL);
    const opener = { ...shown, groupId: standing.group.id, agentName: standing.agentName };
    const { methods } = standing;
    if (method !== 'recovery' && methods.includes(method)) return { opener, standing };
    const byKey = method === 'recovery' || method === 'key';
    if (!byKey || !methods.includes('certificate'))
      throw methodRefused(method === 'recovery' ? 'key' : method, methods);
    await this.#checkRecovery(agentId, standing);
    return { opener: { ...opener, method: 'recovery' }, standing };
  }

  /**
   * For `recoveryDays` after the agent's last certificate, its enrolment, or its move out of a group where it needed
   * none, the key alone may ask for a new one.
   */
  async #checkRecovery(agentId: string, { enrolledAt, recoverableFrom }: Standing): Promise<void> {
    const { db, clock, agentCertificates } = this.#platform;
    const { recoveryDays } = agentCertificates;
    const expiresAt = await db.read((reader) => newestExpiry(reader, agentId));
    const sinceMs = Math.max(
      (expiresAt ?? enrolledAt).getTime(),
      recoverableFrom?.getTime() ?? -Infinity,
    );
    if (clock.now() >= sinceMs + recoveryDays * DAY_MS) throw recoveryOver(recoveryDays);
  }

  async #issue(
    opener: AccessGrant,
    {
      standing,
      request,
      protocol,
      refuse,
    }: { standing: Standing; request: AgentRequest; protocol: number; refuse: RefuseAgent },
  ): Promise<SessionReply> {
    const now = this.#platform.clock.now();
    const { agentId, tokenId, cnf } = opener;
    const leftSeconds = tokenId === undefined ? Infinity : secondsLeft(standing.token, now);
    if (typeof leftSeconds !== 'number')
      throw await refuse(refusable(agentId, standing), leftSeconds, tokenId);
    const certificateSeconds =
      'jkt' in cnf
        ? Infinity
        : Math.ceil(((this.#authenticator.certificateOf(request)?.notAfterMs ?? now) - now) / 1000);
    const expiresInSeconds = Math.min(ACCESS_TOKEN_TTL_SECONDS, leftSeconds, certificateSeconds);
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
      tokenType: 'jkt' in cnf ? 'DPoP' : 'Bearer',
      expiresInSeconds,
      ...(protocol < NAMED_TRUST_PROTOCOL
        ? {}
        : { trustAnchors: this.#trust.trustAnchors(), group: standing.group }),
    };
  }
}

/** The agent, as the audit names it. */
function refusable(id: string, { agentName, group }: Standing) {
  return { id, name: agentName, groupId: group.id };
}

/**
 * How long the agent token is still good; the refusal where it has ended. A session outlives its token by the
 * tolerance of clocks at most, or by what is left of its own life when a rotation ends the token sooner.
 */
function secondsLeft(
  token: { revoked: boolean; expiresAt: Date } | undefined,
  nowMs: number,
): number | AppError {
  if (token?.revoked === true) return agentTokenRevoked();
  const seconds = Math.floor(((token?.expiresAt.getTime() ?? 0) - nowMs) / 1000);
  return seconds < 1 ? agentTokenExpired() : seconds;
}

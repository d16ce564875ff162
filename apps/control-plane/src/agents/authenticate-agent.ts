import { hash } from 'node:crypto';
import type { Socket } from 'node:net';
import { verifyAccessToken, type AccessClaims } from '@sallyport/crypto/access-token';
import { CryptoError } from '@sallyport/crypto/crypto-error';
import { DPOP_WINDOW_SECONDS, verifyDpopProof, type DpopRequest } from '@sallyport/crypto/dpop';
import type { FastifyRequest } from 'fastify';
import type { RequestLimits } from '../http/request-limits.ts';
import { AppError } from '../platform/app-error.ts';
import type { Clock } from '../platform/clock.ts';
import { ExpiringMap } from '../platform/expiring-map.ts';
import type { Trust } from '../trust/index.ts';
import type { AgentConnections } from './agent-connections.ts';
import { clientCertificateOf, type ClientCertificate } from './client-certificate.ts';
import { proofRefusal } from './proof-refusal.ts';
import type { Revocations } from './revocations.ts';

/** A request as its proof of possession names it, and its connection; `url` without query. */
export type AgentRequest = {
  socket: Socket;
  authorization: string | undefined;
  dpop: string | undefined;
  method: string;
  url: string;
};

/** What an HTTP request shows of its agent. */
export function agentRequest(request: FastifyRequest): AgentRequest {
  const { authorization, dpop } = request.headers;
  return {
    socket: request.raw.socket,
    authorization,
    dpop: typeof dpop === 'string' ? dpop : undefined,
    method: request.method,
    url: `https://${request.host}${request.url.split('?', 1)[0] ?? ''}`,
  };
}

const MAX_REMEMBERED_TOKENS = 20_000;

/** Tells which agent calls: an access token, a proof of what it is bound to, and no revocation since. */
export class AgentAuthenticator {
  readonly #trust: Trust;
  readonly #revocations: Revocations;
  readonly #connections: AgentConnections;
  readonly #limits: Pick<RequestLimits, 'countPrincipal'>;
  readonly #clock: Clock;
  /**
   * By agent and `jti`. As many as its rate of requests brings of each agent: were there one bound for all, one agent
   * could have the proofs of others forgotten, and they would be good again.
   */
  readonly #seenProofs: ExpiringMap<true>;
  /** By the digest of an access token that was verified: its claims, so that each is verified once. */
  readonly #verified: ExpiringMap<AccessClaims>;

  constructor(deps: {
    trust: Trust;
    revocations: Revocations;
    connections: AgentConnections;
    limits: Pick<RequestLimits, 'countPrincipal'>;
    clock: Clock;
  }) {
    this.#connections = deps.connections;
    this.#trust = deps.trust;
    this.#revocations = deps.revocations;
    this.#limits = deps.limits;
    this.#clock = deps.clock;
    this.#seenProofs = new ExpiringMap(deps.clock, Infinity);
    this.#verified = new ExpiringMap(deps.clock, MAX_REMEMBERED_TOKENS);
  }

  /**
   * Counts the request as the agent's.
   *
   * @throws AppError `access_token.*`, `dpop.*`, `client_certificate.*`, `clock.skewed`, `agent.revoked`, `rate.limited`
   */
  async authenticate(request: AgentRequest): Promise<AccessClaims> {
    const [, scheme = '', accessToken] =
      /^(DPoP|Bearer) (\S{1,2048})$/i.exec(request.authorization ?? '') ?? [];
    if (accessToken === undefined)
      throw new AppError(
        'access_token.required',
        'Open a session first, then send Authorization with its access token.',
      );
    const claims = await this.#claims(accessToken);
    const refusal = this.#revocations.refusalOf(claims);
    if (refusal !== undefined) throw refusal;
    // Each kind under its own scheme (RFC 9449, section 7.2), or a stolen token would do without its proof.
    const { cnf } = claims;
    if ('jkt' in cnf && scheme.toLowerCase() === 'dpop')
      this.acceptKey({ ...request, accessToken }, { id: claims.agentId, keyThumbprint: cnf.jkt });
    else if ('x5t#S256' in cnf && scheme.toLowerCase() === 'bearer')
      this.#acceptCertificate(request, claims.agentId, cnf['x5t#S256']);
    else
      throw new AppError(
        'access_token.invalid',
        'The access token is not accepted under this scheme: send it as its session’s tokenType says.',
      );
    this.#connections.note(claims.agentId, request.socket);
    return claims;
  }

  /**
   * The certificate that the request's connection was made with; undefined without one.
   *
   * @throws AppError `client_certificate.untrusted`, `client_certificate.expired`, `client_certificate.wrong_usage`,
   * `client_certificate.chain_incomplete`
   */
  certificateOf({ socket }: Pick<AgentRequest, 'socket'>): ClientCertificate | undefined {
    const takesChains = this.#trust.own.clientAuthorities.length > 0;
    return clientCertificateOf(socket, this.#clock.now(), takesChains);
  }

  /** Notes an access token that was issued here, so that it need not be verified when it comes back. */
  remember(accessToken: string, claims: AccessClaims): void {
    this.#verified.set(digestOf(accessToken), claims, claims.expiresAtMs);
  }

  /**
   * Takes the proof of a request by the key that the agent enrolled with, and counts the request as the agent's.
   * Without an access token it is a request for one.
   *
   * @throws AppError `dpop.*`, `clock.skewed`, `rate.limited`
   */
  acceptKey(
    { dpop, method, url, accessToken }: AgentRequest & { accessToken?: string },
    { id, keyThumbprint }: { id: string; keyThumbprint: string },
  ): void {
    if (dpop === undefined)
      throw new AppError('dpop.invalid', 'Send a DPoP proof of this request by the agent’s key.');
    this.#acceptOnce(id, this.#proofId(dpop, { method, url, accessToken }, keyThumbprint));
  }

  /** RFC 8705, section 3. */
  #acceptCertificate(request: AgentRequest, agentId: string, digest: string): void {
    if (this.certificateOf(request)?.digest !== digest)
      throw new AppError(
        'access_token.invalid',
        'The access token is bound to another client certificate than that of this connection.',
      );
    this.#limits.countPrincipal('agent', agentId);
  }

  async #claims(accessToken: string): Promise<AccessClaims> {
    const known = this.#verified.get(digestOf(accessToken));
    if (known !== undefined) return known;
    const claims = await this.#verify(accessToken);
    this.remember(accessToken, claims);
    return claims;
  }

  async #verify(accessToken: string): Promise<AccessClaims> {
    try {
      return await verifyAccessToken(accessToken, this.#trust.signingKeys.byKid, this.#clock.now());
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error;
      if (error.code === 'jwt.expired')
        throw new AppError('access_token.expired', 'The session has ended; open a new one.', {
          cause: error,
        });
      throw new AppError(
        'access_token.invalid',
        `The access token is not accepted: ${error.message}.`,
        { cause: error },
      );
    }
  }

  #proofId(dpop: string, proof: DpopRequest, keyThumbprint: string): string {
    try {
      return verifyDpopProof(dpop, proof, keyThumbprint, this.#clock.now()).jti;
    } catch (error) {
      throw proofRefusal(error, 'dpop.invalid', 'The DPoP proof is not accepted');
    }
  }

  #acceptOnce(agentId: string, jti: string): void {
    const key = `${agentId}:${jti}`;
    if (this.#seenProofs.get(key) !== undefined)
      throw new AppError(
        'dpop.replayed',
        'This DPoP proof was used before; sign one for each request.',
      );
    // After a replay is refused, which may be anybody's, and before more is remembered than its rate allows.
    this.#limits.countPrincipal('agent', agentId);
    this.#seenProofs.set(key, true, this.#clock.now() + DPOP_WINDOW_SECONDS * 1000);
  }
}

function digestOf(accessToken: string): string {
  return hash('sha256', accessToken, 'base64url');
}

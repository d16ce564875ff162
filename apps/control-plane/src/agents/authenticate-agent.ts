import { hash } from 'node:crypto';
import { verifyAccessToken, type AccessClaims } from '@sallyport/crypto/access-token';
import { CryptoError } from '@sallyport/crypto/crypto-error';
import { DPOP_WINDOW_SECONDS, verifyDpopProof, type DpopRequest } from '@sallyport/crypto/dpop';
import type { FastifyRequest } from 'fastify';
import { AppError } from '../platform/app-error.ts';
import type { Clock } from '../platform/clock.ts';
import { ExpiringMap } from '../platform/expiring-map.ts';
import type { Trust } from '../trust/index.ts';
import { proofRefusal } from './proof-refusal.ts';
import type { Revocations } from './revocations.ts';

/** A request as its proof of possession names it; `url` without query. */
export type AgentRequest = {
  authorization: string | undefined;
  dpop: string | undefined;
  method: string;
  url: string;
};

/** Of what came over HTTP. */
export function agentRequest(request: FastifyRequest): AgentRequest {
  const { authorization, dpop } = request.headers;
  return {
    authorization,
    dpop: typeof dpop === 'string' ? dpop : undefined,
    method: request.method,
    url: `https://${request.host}${request.url.split('?', 1)[0] ?? ''}`,
  };
}

const MAX_REMEMBERED_PROOFS = 200_000;
const MAX_REMEMBERED_TOKENS = 20_000;

/** Tells which agent calls: an access token, a proof by the key it is bound to, and no revocation since. */
export class AgentAuthenticator {
  readonly #trust: Trust;
  readonly #revocations: Revocations;
  readonly #clock: Clock;
  /** By agent and `jti`. */
  readonly #seenProofs: ExpiringMap<true>;
  /** By the digest of an access token that was verified: its claims, so that each is verified once. */
  readonly #verified: ExpiringMap<AccessClaims>;

  constructor(deps: { trust: Trust; revocations: Revocations; clock: Clock }) {
    this.#trust = deps.trust;
    this.#revocations = deps.revocations;
    this.#clock = deps.clock;
    this.#seenProofs = new ExpiringMap(deps.clock, MAX_REMEMBERED_PROOFS);
    this.#verified = new ExpiringMap(deps.clock, MAX_REMEMBERED_TOKENS);
  }

  /** @throws AppError `access_token.*`, `dpop.*`, `clock.skewed`, `agent.revoked` */
  async authenticate(request: AgentRequest): Promise<AccessClaims> {
    const accessToken = /^DPoP (\S{1,2048})$/i.exec(request.authorization ?? '')?.[1];
    if (accessToken === undefined || request.dpop === undefined) {
      throw new AppError(
        'access_token.required',
        'Open a session first, then send Authorization: DPoP and a DPoP proof.',
      );
    }
    const claims = await this.#claims(accessToken);
    const refusal = this.#revocations.refusalOf(claims);
    if (refusal !== undefined) throw refusal;
    const proof = { method: request.method, url: request.url, accessToken };
    this.#acceptOnce(claims.agentId, this.#proofId(request.dpop, proof, claims.keyThumbprint));
    return claims;
  }

  /** Notes an access token that was issued here, so that it need not be verified when it comes back. */
  remember(accessToken: string, claims: AccessClaims): void {
    this.#verified.set(digestOf(accessToken), claims, claims.expiresAtMs);
  }

  /**
   * Takes the proof of a request that brings no access token yet, by the key that the agent enrolled with.
   *
   * @throws AppError `dpop.*`, `clock.skewed`
   */
  acceptKey(
    { dpop, method, url }: AgentRequest,
    { id, keyThumbprint }: { id: string; keyThumbprint: string },
  ): void {
    if (dpop === undefined)
      throw new AppError('dpop.invalid', 'Send a DPoP proof of this request by the agent’s key.');
    this.#acceptOnce(id, this.#proofId(dpop, { method, url }, keyThumbprint));
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
    this.#seenProofs.set(key, true, this.#clock.now() + 2 * DPOP_WINDOW_SECONDS * 1000);
  }
}

function digestOf(accessToken: string): string {
  return hash('sha256', accessToken, 'base64url');
}

import { ASSERTION_GRANT, PROTOCOL, sessionReply } from '@sallyport/contract';
import { signAssertion } from '@sallyport/crypto/assertion';
import { signDpopProof } from '@sallyport/crypto/dpop';
import type { LinkReply } from '@sallyport/tls/https-link';
import { AgentError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Identity } from '../state/identity.ts';
import { call, parseReply, type Call, type Link } from './call.ts';
import type { ServerClock } from './server-clock.ts';

/** A token is replaced when this part of its life is over, so that none expires while a pull waits. */
const RENEW_AFTER = 0.8;

type Access = { token: string; renewAtMs: number };
export type SessionParts = {
  identity: Pick<Identity, 'agentId' | 'controlPlane' | 'signingKey'>;
  link: Link;
  clock: Clock;
  serverClock: ServerClock;
  log: Log;
};

/**
 * The agent's standing with the control plane: an access token got by a signed assertion (RFC 7523),
 * shown with a proof of possession per request (RFC 9449), and renewed in time.
 */
export class Session {
  readonly #parts: SessionParts;
  readonly #baseUrl: string;
  #access: Access | undefined;
  #opening: Promise<Access> | undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#baseUrl = parts.identity.controlPlane.replace(/\/+$/, '');
  }

  /**
   * Sends a request in the agent's name. Once, it repairs what it can by itself: an access token that is
   * no longer accepted, and proofs that were made by a wrong clock.
   */
  async send(request: Call): Promise<LinkReply> {
    try {
      return await this.#sendOnce(request);
    } catch (error) {
      if (!this.#repaired(error)) throw error;
      return this.#sendOnce(request);
    }
  }

  /** Holds a fresh access token when this resolves. */
  async open(signal: AbortSignal): Promise<void> {
    try {
      await this.#current(signal);
    } catch (error) {
      if (!this.#repaired(error)) throw error;
      await this.#current(signal);
    }
  }

  async #sendOnce(request: Call): Promise<LinkReply> {
    const { identity, link, serverClock } = this.#parts;
    const { token } = await this.#current(request.signal);
    const url = this.#baseUrl + request.path;
    const dpop = signDpopProof(
      identity.signingKey,
      { method: request.method, url, accessToken: token },
      serverClock.now(),
    );
    return call(link, serverClock, {
      ...request,
      headers: { authorization: `DPoP ${token}`, dpop },
    });
  }

  /** Requests that find no token wait for the same new session. */
  async #current(signal: AbortSignal | undefined): Promise<Access> {
    if (this.#access !== undefined && this.#parts.clock.now() < this.#access.renewAtMs)
      return this.#access;
    this.#opening ??= this.#openSession(signal).finally(() => {
      this.#opening = undefined;
    });
    return (this.#access = await this.#opening);
  }

  async #openSession(signal: AbortSignal | undefined): Promise<Access> {
    const { identity, link, clock, serverClock, log } = this.#parts;
    const assertion = await signAssertion(identity.signingKey, identity.agentId, serverClock.now());
    const { body } = await call(link, serverClock, {
      method: 'POST',
      path: '/agent/v1/session',
      json: { protocol: PROTOCOL, grantType: ASSERTION_GRANT, assertion },
      signal,
    });
    const { accessToken, expiresInSeconds } = parseReply(sessionReply, body);
    log.info({ controlPlane: identity.controlPlane }, 'session opened');
    return { token: accessToken, renewAtMs: clock.now() + expiresInSeconds * 1000 * RENEW_AFTER };
  }

  #repaired(error: unknown): boolean {
    if (!(error instanceof AgentError)) return false;
    if (error.code.startsWith('access_token.')) {
      this.#access = undefined;
      return true;
    }
    if (error.code !== 'clock.skewed') return false;
    this.#parts.log.warn(
      { offsetMs: this.#parts.serverClock.offsetMs() },
      'this host’s clock differs from the control plane’s',
    );
    return true;
  }
}

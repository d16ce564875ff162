import { createHash } from 'node:crypto';
import {
  AGENT_TOKEN_GRANT,
  ASSERTION_GRANT,
  PROTOCOL,
  sessionReply,
  type Generation,
} from '@sallyport/contract';
import { signAssertion } from '@sallyport/crypto/assertion';
import { signDpopProof } from '@sallyport/crypto/dpop';
import type { LinkReply } from '@sallyport/tls/https-link';
import { AgentError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Generations } from '../state/generations.ts';
import type { Identity } from '../state/identity.ts';
import { call, parseReply, type Call, type Link } from './call.ts';
import type { ServerClock } from './server-clock.ts';

/** A token is replaced when this part of its life is over, so that none expires while a pull waits. */
const RENEW_AFTER = 0.8;
const SESSION_PATH = '/agent/v1/session';
/** What keeps a session from being renewed, and says nothing against the one there is. */
const MAY_WAIT = /^(?:token_file\..*|hashing\.busy)$/;
const NOT_RENEWED: ReadonlySet<number | undefined> = new Set([401, 404]);

/** `openedWith` tells one agent token from another; undefined for the key alone. */
type Access = {
  token: string;
  renewAtMs: number;
  expiresAtMs: number;
  openedWith: string | undefined;
};
export type SessionParts = {
  identity: Pick<Identity, 'agentId' | 'controlPlane' | 'signingKey'>;
  link: Link;
  clock: Clock;
  serverClock: ServerClock;
  log: Log;
  /** Reads the agent token as it is now; absent: sessions are opened by the key alone. */
  readToken?: (() => Promise<string>) | undefined;
  /** Absent: a copy of this agent's state goes unnoticed. */
  generations?: Pick<Generations, 'show' | 'taken'> | undefined;
};

/**
 * The agent's standing with the control plane: an access token got by a signed assertion (RFC 7523) or an agent
 * token, shown with a proof of possession per request (RFC 9449), and renewed in time.
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
    const { token } = await this.#current(request.signal);
    return this.#sendWith(token, request);
  }

  async #sendWith(token: string, request: Call): Promise<LinkReply> {
    const { identity, link, serverClock } = this.#parts;
    const url = this.#baseUrl + request.path;
    const proof = { method: request.method, url, accessToken: token };
    const dpop = signDpopProof(identity.signingKey, proof, serverClock.now());
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
    try {
      return (this.#access = await this.#opening);
    } catch (error) {
      return this.#stillOpen(error);
    }
  }

  /** A token file that is away for a moment, or a control plane that hashes too many, ends no session before its time. */
  #stillOpen(error: unknown): Access {
    const { clock, log } = this.#parts;
    const mayWait = error instanceof AgentError && MAY_WAIT.test(error.code);
    if (!mayWait || this.#access === undefined || clock.now() >= this.#access.expiresAtMs)
      throw error;
    log.warn({ code: error.code, detail: error.message }, 'the session cannot be renewed yet');
    return this.#access;
  }

  async #openSession(signal: AbortSignal | undefined): Promise<Access> {
    const { controlPlane } = this.#parts.identity;
    const agentToken = await this.#parts.readToken?.();
    const openedWith = agentToken && createHash('sha256').update(agentToken).digest('base64url');
    const renewed = await this.#renewed(openedWith, signal);
    if (renewed !== undefined) return renewed;
    const generation = await this.#parts.generations?.show();
    const reply =
      agentToken === undefined
        ? await this.#openByKey(generation, signal)
        : await this.#openByToken(agentToken, generation, signal);
    if (generation !== undefined) await this.#parts.generations?.taken(generation);
    this.#parts.log.info({ controlPlane }, 'session opened');
    return this.#accessOf(reply, openedWith);
  }

  async #openByKey(
    generation: Generation | undefined,
    signal: AbortSignal | undefined,
  ): Promise<LinkReply> {
    const { identity, link, serverClock } = this.#parts;
    const assertion = await signAssertion(identity.signingKey, identity.agentId, serverClock.now());
    const json = { protocol: PROTOCOL, grantType: ASSERTION_GRANT, assertion, generation };
    return call(link, serverClock, { method: 'POST', path: SESSION_PATH, json, signal });
  }

  async #openByToken(
    token: string,
    generation: Generation | undefined,
    signal: AbortSignal | undefined,
  ): Promise<LinkReply> {
    const { identity, link, serverClock } = this.#parts;
    const proof = { method: 'POST', url: this.#baseUrl + SESSION_PATH };
    const dpop = signDpopProof(identity.signingKey, proof, serverClock.now());
    const json = { protocol: PROTOCOL, grantType: AGENT_TOKEN_GRANT, token, generation };
    const headers = { dpop };
    return call(link, serverClock, { method: 'POST', path: SESSION_PATH, json, headers, signal });
  }

  /** A session that is still open, and was opened with what there is now, only needs another access token. */
  async #renewed(
    openedWith: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Access | undefined> {
    const open = this.#access;
    if (open === undefined || open.openedWith !== openedWith) return undefined;
    if (this.#parts.clock.now() >= open.expiresAtMs) return undefined;
    try {
      const path = `${SESSION_PATH}/renew`;
      const json = { protocol: PROTOCOL };
      return this.#accessOf(
        await this.#sendWith(open.token, { method: 'POST', path, json, signal }),
        openedWith,
      );
    } catch (error) {
      // Refused, or asked of an older control plane: what opens a session tells why, if that is refused too.
      if (error instanceof AgentError && NOT_RENEWED.has(error.status)) return undefined;
      throw error;
    }
  }

  #accessOf({ body }: LinkReply, openedWith: string | undefined): Access {
    const { accessToken: token, expiresInSeconds } = parseReply(sessionReply, body);
    const now = this.#parts.clock.now();
    const lifeMs = expiresInSeconds * 1000;
    return { token, renewAtMs: now + lifeMs * RENEW_AFTER, expiresAtMs: now + lifeMs, openedWith };
  }

  #repaired(error: unknown): boolean {
    if (!(error instanceof AgentError)) return false;
    // Within a session: the agent token that opened it was revoked, and another may be there by now.
    const isOver = error.code.startsWith('agent_token.') && this.#access !== undefined;
    if (isOver || error.code.startsWith('access_token.')) {
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

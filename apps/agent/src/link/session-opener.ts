import { createHash } from 'node:crypto';
import {
  AGENT_TOKEN_GRANT,
  ASSERTION_GRANT,
  CERTIFICATE_GRANT,
  certificateReply,
  PROTOCOL,
  sessionReply,
  type Generation,
} from '@sallyport/contract';
import { signAssertion } from '@sallyport/crypto/assertion';
import { signDpopProof } from '@sallyport/crypto/dpop';
import { createCertificateRequest } from '@sallyport/tls/certificate-request';
import type { LinkReply } from '@sallyport/tls/https-link';
import { AgentError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Generations } from '../state/generations.ts';
import type { Identity } from '../state/identity.ts';
import { callWith, urlOf, type Access } from './access.ts';
import { call, parseReply, type Link } from './call.ts';
import type { Credentials } from './credentials.ts';
import type { ServerClock } from './server-clock.ts';

/** A token is replaced when this part of its life is over, so that none expires while a pull waits. */
const RENEW_AFTER = 0.8;
const SESSION_PATH = '/agent/v1/session';
/** Refusals that another certificate mends; `required` is not one of them, as behind a proxy that ends TLS. */
const IS_REPLACED = /^client_certificate\.(?:expired|untrusted|unknown)$/;
const NOT_RENEWED: ReadonlySet<number | undefined> = new Set([401, 404]);

export type OpenerParts = {
  identity: Pick<Identity, 'agentId' | 'controlPlane' | 'signingKey'>;
  link: Pick<Link, 'request'>;
  clock: Clock;
  serverClock: ServerClock;
  log: Log;
  /** Reads the agent token as it is now; absent: sessions are opened by the key alone. */
  readToken?: (() => Promise<string>) | undefined;
  /** What the link trusts and shows. Absent: what the agent enrolled with is never replaced. */
  credentials?: Credentials | undefined;
  /** Absent: a copy of this agent's state goes unnoticed. */
  generations?: Pick<Generations, 'show' | 'taken'> | undefined;
};

/** Opens and renews sessions: by a signed assertion (RFC 7523), an agent token, or a client certificate. */
export class SessionOpener {
  readonly #parts: OpenerParts;

  constructor(parts: OpenerParts) {
    this.#parts = parts;
  }

  /** A new access token, by renewal of `before` where that is still open. Ends with the link, at the latest. */
  async open(before: Access | undefined): Promise<Access> {
    const { credentials } = this.#parts;
    if (credentials?.isGiven === true) return this.#openedByCertificate(credentials, before);
    if (credentials?.byCertificate === true) return this.#openCertified(credentials, before);
    const agentToken = await this.#parts.readToken?.();
    const openedWith = agentToken && createHash('sha256').update(agentToken).digest('base64url');
    return (
      (await this.#renewed(before, openedWith)) ??
      this.#opened(openedWith, (generation) =>
        agentToken === undefined
          ? this.#openByKey(generation)
          : this.#openByToken(agentToken, generation),
      )
    );
  }

  /** With the certificate that the control plane issues; the key asks for the first, and for another where one is lost. */
  async #openCertified(credentials: Credentials, before: Access | undefined): Promise<Access> {
    const { serverClock, log } = this.#parts;
    if (credentials.usable(serverClock.now()) === undefined)
      return this.#openRecertified(credentials);
    let access: Access;
    try {
      access = await this.#openedByCertificate(credentials, before);
    } catch (error) {
      if (!(error instanceof AgentError) || !IS_REPLACED.test(error.code)) throw error;
      log.warn({ code: error.code }, 'the client certificate is not accepted; asking for another');
      credentials.reject();
      return this.#openRecertified(credentials);
    }
    return credentials.isDue(serverClock.now()) ? this.#openRenewed(credentials, access) : access;
  }

  async #openRecertified(credentials: Credentials): Promise<Access> {
    const byKey = await this.#opened(undefined, (generation) => this.#openByKey(generation));
    await this.#certify(credentials, byKey);
    return this.#openedByCertificate(credentials, undefined);
  }

  /** A fault that keeps a certificate from being renewed says nothing against the one there is. */
  async #openRenewed(credentials: Credentials, access: Access): Promise<Access> {
    try {
      await this.#certify(credentials, access);
      return await this.#openedByCertificate(credentials, undefined);
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      const { code, message: detail } = error;
      this.#parts.log.warn({ code, detail }, 'the client certificate cannot be renewed yet');
      return access;
    }
  }

  async #openedByCertificate(
    credentials: Credentials,
    before: Access | undefined,
  ): Promise<Access> {
    const { link, serverClock } = this.#parts;
    const openedWith = credentials.usable(serverClock.now())?.serialNumber;
    const renewed = await this.#renewed(before, openedWith);
    if (renewed !== undefined) return renewed;
    return this.#opened(openedWith, (generation) => {
      const json = { protocol: PROTOCOL, grantType: CERTIFICATE_GRANT, generation };
      return call(link, serverClock, { method: 'POST', path: SESSION_PATH, json });
    });
  }

  /** Gets a certificate for a new key. */
  async #certify(credentials: Credentials, access: Access): Promise<void> {
    const { csr, key } = await createCertificateRequest();
    const json = { protocol: PROTOCOL, csr };
    const path = '/agent/v1/certificate';
    const { body } = await callWith(access, this.#parts, { method: 'POST', path, json });
    await credentials.take(
      parseReply(certificateReply, body).certificate,
      key,
      this.#parts.serverClock.now(),
    );
  }

  async #opened(
    openedWith: string | undefined,
    ask: (generation: Generation | undefined) => Promise<LinkReply>,
  ): Promise<Access> {
    const { clock, generations, identity, log } = this.#parts;
    const generation = await generations?.show();
    const askedAtMs = clock.monotonic();
    const reply = await ask(generation);
    const durationMs = Math.round(clock.monotonic() - askedAtMs);
    if (generation !== undefined) await generations?.taken(generation);
    log.info({ controlPlane: identity.controlPlane, durationMs }, 'session opened');
    return this.#accessOf(reply, openedWith);
  }

  async #openByKey(generation: Generation | undefined): Promise<LinkReply> {
    const { identity, link, serverClock } = this.#parts;
    const assertion = await signAssertion(identity.signingKey, identity.agentId, serverClock.now());
    const json = { protocol: PROTOCOL, grantType: ASSERTION_GRANT, assertion, generation };
    return call(link, serverClock, { method: 'POST', path: SESSION_PATH, json });
  }

  async #openByToken(token: string, generation: Generation | undefined): Promise<LinkReply> {
    const { identity, link, serverClock } = this.#parts;
    const proof = { method: 'POST', url: urlOf(identity, SESSION_PATH) };
    const dpop = signDpopProof(identity.signingKey, proof, serverClock.now());
    const json = { protocol: PROTOCOL, grantType: AGENT_TOKEN_GRANT, token, generation };
    const headers = { dpop };
    return call(link, serverClock, { method: 'POST', path: SESSION_PATH, json, headers });
  }

  /** A session that is still open, and was opened with what there is now, only needs another access token. */
  async #renewed(
    before: Access | undefined,
    openedWith: string | undefined,
  ): Promise<Access | undefined> {
    if (before === undefined || before.openedWith !== openedWith) return undefined;
    if (this.#parts.clock.now() >= before.expiresAtMs) return undefined;
    try {
      const path = `${SESSION_PATH}/renew`;
      const json = { protocol: PROTOCOL };
      return await this.#accessOf(
        await callWith(before, this.#parts, { method: 'POST', path, json }),
        openedWith,
      );
    } catch (error) {
      // Refused, or asked of an older control plane: what opens a session tells why, if that is refused too.
      if (error instanceof AgentError && NOT_RENEWED.has(error.status)) return undefined;
      throw error;
    }
  }

  async #accessOf({ body }: LinkReply, openedWith: string | undefined): Promise<Access> {
    const {
      accessToken: token,
      tokenType: scheme,
      expiresInSeconds,
      trustAnchors,
      group,
    } = parseReply(sessionReply, body);
    const { credentials } = this.#parts;
    if (trustAnchors !== undefined) await credentials?.trust(trustAnchors);
    if (group !== undefined) credentials?.belongTo(group.name);
    const now = this.#parts.clock.now();
    const lifeMs = expiresInSeconds * 1000;
    return {
      token,
      scheme,
      renewAtMs: now + lifeMs * RENEW_AFTER,
      expiresAtMs: now + lifeMs,
      openedWith,
      group,
    };
  }
}

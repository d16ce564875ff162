import type { JoinedGroup } from '@sallyport/contract';
import type { LinkReply } from '@sallyport/tls/https-link';
import { AgentError } from '../agent-error.ts';
import { callWith, type Access } from './access.ts';
import type { Call } from './call.ts';
import { SessionOpener, type OpenerParts } from './session-opener.ts';

/** Faults that keep a session from being renewed, and say nothing against the one that is open. */
const MAY_WAIT = /^(?:token_file\..*|reference\..*|hashing\.busy)$/;

export type SessionParts = OpenerParts & {
  /** Called with the agent's group each time that the control plane has named it. */
  onGroup?: (group: JoinedGroup) => void;
  /** Called for every reply that is no refusal, except those that open sessions. */
  onAnswer?: () => void;
};

/**
 * The agent's standing with the control plane: an access token got by a signed assertion (RFC 7523), an agent token
 * or a client certificate, shown with a proof of possession per request (RFC 9449) or over connections made with
 * that certificate (RFC 8705), and renewed in time.
 */
export class Session {
  readonly #parts: SessionParts;
  readonly #opener: SessionOpener;
  #access: Access | undefined;
  #opening: Promise<Access> | undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#opener = new SessionOpener(parts);
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

  /** Resolves when none is being opened any more: soon after the link is closed, at the latest. Never rejects. */
  async settled(): Promise<void> {
    await this.#opening?.catch(() => {});
  }

  async #sendOnce(request: Call): Promise<LinkReply> {
    const reply = await callWith(await this.#current(request.signal), this.#parts, request);
    this.#parts.onAnswer?.();
    return reply;
  }

  /** Requests that find no token wait for the same new session, which goes on when one of them is given up. */
  async #current(signal: AbortSignal | undefined): Promise<Access> {
    if (this.#access !== undefined && this.#parts.clock.now() < this.#access.renewAtMs)
      return this.#access;
    this.#opening ??= this.#opener.open(this.#access).finally(() => {
      this.#opening = undefined;
    });
    try {
      this.#access = await unlessAborted(this.#opening, signal);
    } catch (error) {
      return this.#stillOpen(error);
    }
    // Only now: the pull that it interrupts may be waiting for this session.
    if (this.#access.group !== undefined) this.#parts.onGroup?.(this.#access.group);
    return this.#access;
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

  #repaired(error: unknown): boolean {
    if (!(error instanceof AgentError)) return false;
    // In an open session these mean that its token was revoked, and another may be there by now; or that the
    // connection is older than the certificates that a replica trusts by now.
    const isOver =
      /^(?:agent_token|client_certificate)\./.test(error.code) && this.#access !== undefined;
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

/** @throws AgentError `link.aborted` as soon as the signal aborts */
async function unlessAborted<Value>(
  awaited: Promise<Value>,
  signal: AbortSignal | undefined,
): Promise<Value> {
  if (signal === undefined) return awaited;
  const { promise: over, reject } = Promise.withResolvers<never>();
  const onAbort = (): void =>
    reject(new AgentError('link.aborted', 'the request was given up by this program'));
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([awaited, over]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

import { randomUUID } from 'node:crypto';
import {
  pullBody,
  renewLeaseBody,
  takeLeaseBody,
  type Problem,
  type PullBody,
  type PullReply,
  type SessionReply,
} from '@sallyport/contract';
import { aborted } from '@sallyport/tls/exchange';
import type { LinkReply } from '@sallyport/tls/https-link';
import { AgentError } from '../agent-error.ts';
import { systemClock } from '../clock.ts';
import type { Link } from '../link/call.ts';
import { Wake } from '../sync/wake.ts';
import type { DesiredState } from './desired-state.ts';
import { Lending } from './lending.ts';
import type { Content } from './values-file.ts';

/** No control plane has this address (RFC 6761, section 6.4). */
export const DEVELOPMENT_URL = 'https://development.invalid';

const HELD_LEASE = /^\/agent\/v1\/leases\/([^/]+)\/(renew|revoke)$/;

type Request = NonNullable<Parameters<Link['request']>[2]>;

/**
 * A control plane of one agent in the agent's own process, in the place of a connection to one. Who asks is not
 * checked: nobody else can. What it delivers is signed and sealed, since the agent takes nothing else.
 */
export class DevelopmentControlPlane implements Link {
  readonly #state: DesiredState;
  readonly #recipient: CryptoKey;
  readonly #lending: Lending;
  readonly #changed = new Wake();

  constructor(state: DesiredState, recipient: CryptoKey) {
    this.#state = state;
    this.#recipient = recipient;
    this.#lending = new Lending(state, recipient, systemClock);
  }

  /** Has these delivered in the place of what was. */
  replace(contents: readonly Content[]): void {
    if (this.#state.replace(contents)) this.#changed.now();
  }

  async request(_method: string, path: string, request: Request = {}): Promise<LinkReply> {
    try {
      const body = await this.#answer(path, request);
      if (request.signal?.aborted === true) throw aborted(DEVELOPMENT_URL);
      return reply(body === undefined ? 204 : 200, body);
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      const { code, message: detail, status = 500 } = error;
      const problem: Problem = {
        type: 'about:blank',
        title: code,
        status,
        code,
        detail,
        requestId: request.headers?.['x-request-id'] ?? '',
      };
      return reply(status, problem);
    }
  }

  tlsParameters(): undefined {
    return undefined;
  }

  close(): void {}

  async #answer(path: string, { json, signal }: Request): Promise<object | undefined> {
    switch (path) {
      case '/agent/v1/session':
      case '/agent/v1/session/renew':
        return session();
      case '/agent/v1/pull':
        return this.#pull(pullBody.parse(json), signal);
      case '/agent/v1/leases':
        return this.#lending.take(takeLeaseBody.parse(json));
    }
    const [, id, act] = HELD_LEASE.exec(path) ?? [];
    if (id === undefined)
      throw new AgentError('request.not_found', 'There is no such path.', { status: 404 });
    if (act === 'renew') return this.#lending.renew(id, renewLeaseBody.parse(json));
    this.#lending.giveBack(id);
    return undefined;
  }

  async #pull(
    { revision, epoch, waitSeconds, leases = [] }: PullBody,
    signal: AbortSignal | undefined,
  ): Promise<PullReply | undefined> {
    const state = this.#state;
    const endedLeases = this.#lending.endedAmong(leases);
    const isCurrent = () => revision === state.revision && endedLeases.length === 0;
    if (isCurrent()) {
      const over = [this.#changed.signal, ...(signal === undefined ? [] : [signal])];
      await systemClock.sleep(waitSeconds * 1000, AbortSignal.any(over));
    }
    if (isCurrent()) return undefined;
    return {
      revision: state.revision,
      epoch: state.epoch,
      bundle: await state.bundle(),
      ...(epoch === state.epoch
        ? {}
        : { deliveryKey: await state.deliveryKeyFor(this.#recipient) }),
      tasks: [],
      ...(endedLeases.length === 0 ? {} : { endedLeases }),
      next: { afterMilliseconds: 0 },
    };
  }
}

function session(): SessionReply {
  return { accessToken: randomUUID(), tokenType: 'DPoP', expiresInSeconds: 900 };
}

function reply(status: number, body: object | undefined): LinkReply {
  const headers = { date: new Date().toUTCString() };
  return { status, headers, body: Buffer.from(body === undefined ? '' : JSON.stringify(body)) };
}

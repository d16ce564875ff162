import {
  bundle,
  leaseTerm,
  MAX_PULL_WAIT_SECONDS,
  PROTOCOL,
  pullReply,
  takenLease,
  type Bundle,
  type Diagnosis,
  type GiveBackLeaseBody,
  type PullBody,
  type LeaseTerm,
  type PullReply,
  type ReportEventsBody,
  type TakeLeaseBody,
  type TakenLease,
} from '@sallyport/contract';
import { AgentError } from '../agent-error.ts';
import { parseReply } from './call.ts';
import type { Session } from './session.ts';

/** How much longer than its wait a pull may take before the link counts as dead. */
const PULL_GRACE_MS = 15_000;

/** The agent API, call by call, typed by the contract. Every failure is an `AgentError`. */
export class ControlPlane {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Waits up to `waitSeconds`; undefined when nothing came. */
  async pull(body: PullBody, signal: AbortSignal): Promise<PullReply | undefined> {
    const { status, body: reply } = await this.#session.send({
      method: 'POST',
      path: '/agent/v1/pull',
      json: body,
      // Asking twice for the same revision does no harm; a task that is claimed twice is leased.
      idempotent: true,
      timeoutMs: Math.min(body.waitSeconds, MAX_PULL_WAIT_SECONDS) * 1000 + PULL_GRACE_MS,
      signal,
    });
    return status === 204 ? undefined : parseReply(pullReply, reply);
  }

  /** A bundle that was too large for the pull's reply. */
  async bundle(path: string, signal: AbortSignal): Promise<Bundle> {
    if (!path.startsWith('/agent/v1/revisions/')) {
      throw new AgentError(
        'reply.unexpected',
        'the control plane names a bundle outside of its agent API',
      );
    }
    const { body } = await this.#session.send({ method: 'GET', path, signal });
    return parseReply(bundle, body);
  }

  async extendTask(id: string, lock: string, signal: AbortSignal): Promise<void> {
    await this.#session.send({
      method: 'POST',
      path: `/agent/v1/tasks/${id}/extend`,
      json: { lock },
      signal,
    });
  }

  /** A batch that is told twice is recorded once. */
  async reportEvents(json: ReportEventsBody, signal: AbortSignal): Promise<void> {
    const path = '/agent/v1/events';
    await this.#session.send({ method: 'POST', path, json, idempotent: true, signal });
  }

  /** Taking a lease twice under one id is taking it once. */
  async takeLease(body: TakeLeaseBody): Promise<TakenLease> {
    const { body: reply } = await this.#session.send({
      method: 'POST',
      path: '/agent/v1/leases',
      json: body,
      idempotent: true,
    });
    return parseReply(takenLease, reply);
  }

  async renewLease(
    id: string,
    asked: { ttlSeconds: number | undefined; requestId: string },
  ): Promise<LeaseTerm> {
    const { body } = await this.#session.send({
      method: 'POST',
      path: `/agent/v1/leases/${id}/renew`,
      json: { protocol: PROTOCOL, ...asked },
      idempotent: true,
    });
    return parseReply(leaseTerm, body);
  }

  async giveBackLease(id: string, told: GiveBackLeaseBody): Promise<void> {
    await this.#session.send({
      method: 'POST',
      path: `/agent/v1/leases/${id}/revoke`,
      json: told,
      idempotent: true,
    });
  }

  async completeTask(
    id: string,
    lock: string,
    result: Diagnosis,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#session.send({
      method: 'POST',
      path: `/agent/v1/tasks/${id}/complete`,
      json: { lock, result },
      signal,
    });
  }

  async failTask(id: string, lock: string, error: string, signal: AbortSignal): Promise<void> {
    await this.#session.send({
      method: 'POST',
      path: `/agent/v1/tasks/${id}/fail`,
      json: { lock, error },
      signal,
    });
  }
}

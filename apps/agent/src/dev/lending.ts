import type {
  LeasePolicy,
  LeaseTerm,
  RenewLeaseBody,
  TakeLeaseBody,
  TakenLease,
} from '@sallyport/contract';
import { sealLeaseValue } from '@sallyport/crypto/lease-value';
import { AgentError } from '../agent-error.ts';
import type { DesiredState } from './desired-state.ts';

type OpenLease = { secret: string; expiresAtMs: number; lastsUntilMs: number };

/** Lends the secrets of a values file, by the rules and with the refusals of the control plane. */
export class Lending {
  readonly #state: DesiredState;
  readonly #recipient: CryptoKey;
  readonly #open = new Map<string, OpenLease>();

  constructor(state: DesiredState, recipient: CryptoKey) {
    this.#state = state;
    this.#recipient = recipient;
  }

  /** @throws AgentError `secret.not_found`, `secret.not_lent` */
  async take({ id, secret, ttlSeconds: asked }: TakeLeaseBody): Promise<TakenLease> {
    const found = this.#state.secret(secret);
    if (found === undefined)
      throw refusal(404, 'secret.not_found', 'There is no such secret in the values file.');
    const { lease: policy, version } = found;
    if (policy === undefined)
      throw refusal(
        409,
        'secret.not_lent',
        'This secret is delivered, not lent out: read it as any other secret.',
      );
    const nowMs = Date.now();
    const lease = {
      secret,
      expiresAtMs: nowMs + ttlMs(policy, asked),
      lastsUntilMs: nowMs + policy.maxTtlSeconds * 1000,
    };
    this.#open.set(id, lease);
    const value = await sealLeaseValue(id, Buffer.from(found.value), this.#recipient);
    return { ...termOf(lease, nowMs), version, maxUses: policy.maxUses, value };
  }

  /** @throws AgentError `lease.ended`, `lease.not_renewable` */
  renew(id: string, { ttlSeconds }: RenewLeaseBody): LeaseTerm {
    const lease = this.#open.get(id);
    const policy = lease && this.#state.secret(lease.secret)?.lease;
    const nowMs = Date.now();
    if (lease === undefined || policy === undefined || lease.expiresAtMs <= nowMs)
      throw refusal(409, 'lease.ended', 'This lease is over; take another one.');
    const untilMs = Math.min(nowMs + ttlMs(policy, ttlSeconds), lease.lastsUntilMs);
    if (untilMs <= lease.expiresAtMs)
      throw refusal(
        409,
        'lease.not_renewable',
        'This lease lasts as long as it may already; take another one when it is over.',
      );
    lease.expiresAtMs = untilMs;
    return termOf(lease, nowMs);
  }

  giveBack(id: string): void {
    this.#open.delete(id);
  }

  /** Those of these whose secret is gone. One that is not known here yet is being asked for. */
  endedAmong(ids: readonly string[]): string[] {
    return ids.filter((id) => {
      const lease = this.#open.get(id);
      return lease !== undefined && this.#state.secret(lease.secret) === undefined;
    });
  }
}

function ttlMs(policy: LeasePolicy, askedSeconds = policy.ttlSeconds): number {
  return Math.min(askedSeconds, policy.ttlSeconds) * 1000;
}

function termOf({ expiresAtMs, lastsUntilMs }: OpenLease, nowMs: number): LeaseTerm {
  return {
    ttlSeconds: Math.max(1, Math.floor((expiresAtMs - nowMs) / 1000)),
    expiresAt: new Date(expiresAtMs).toISOString(),
    lastsUntil: new Date(lastsUntilMs).toISOString(),
  };
}

function refusal(status: number, code: string, message: string): AgentError {
  return new AgentError(code, message, { status });
}

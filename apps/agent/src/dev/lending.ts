import {
  renewedUntilMs,
  type LeasePolicy,
  type LeaseTerm,
  type RenewLeaseBody,
  type TakeLeaseBody,
  type TakenLease,
} from '@sallyport/contract';
import { sealLeaseValue } from '@sallyport/crypto/lease-value';
import { AgentError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import type { DesiredState } from './desired-state.ts';

type KnownLease = { secret: string; version: number; expiresAtMs: number; lastsUntilMs: number };

/** Lends the secrets of a values file, by the rules and with the refusals of the control plane. */
export class Lending {
  readonly #state: DesiredState;
  readonly #recipient: CryptoKey;
  readonly #clock: Pick<Clock, 'now'>;
  /** Also those that are over, until another is taken. */
  readonly #leases = new Map<string, KnownLease>();

  constructor(state: DesiredState, recipient: CryptoKey, clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
    this.#state = state;
    this.#recipient = recipient;
  }

  /** Again under the same id, the same lease while it lasts. @throws AgentError `secret.not_found`, `secret.not_lent`, `lease.ended` */
  async take({ id, secret, ttlSeconds }: TakeLeaseBody): Promise<TakenLease> {
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
    const nowMs = this.#clock.now();
    const asked = {
      secret,
      version,
      expiresAtMs: nowMs + ttlMs(policy, ttlSeconds),
      lastsUntilMs: nowMs + policy.maxTtlSeconds * 1000,
    };
    const lease = this.#sameAgain(id, asked, nowMs) ?? asked;
    this.#forgetExpired(nowMs);
    this.#leases.set(id, lease);
    const value = await sealLeaseValue(id, Buffer.from(found.value), this.#recipient);
    return { ...termOf(lease, nowMs), version, maxUses: policy.maxUses, value };
  }

  /** @throws AgentError `lease.not_found`, `lease.ended`, `lease.not_renewable` */
  renew(id: string, { ttlSeconds }: RenewLeaseBody): LeaseTerm {
    const lease = this.#known(id);
    const policy = this.#state.secret(lease.secret)?.lease;
    const nowMs = this.#clock.now();
    if (policy === undefined || lease.expiresAtMs <= nowMs) throw ended();
    const untilMs = renewedUntilMs(lease, ttlMs(policy, ttlSeconds), nowMs);
    if (untilMs === undefined)
      throw refusal(
        409,
        'lease.not_renewable',
        'This lease lasts as long as it may already; take another one when it is over.',
      );
    lease.expiresAtMs = untilMs;
    return termOf(lease, nowMs);
  }

  /** A second time changes nothing. @throws AgentError `lease.not_found` */
  giveBack(id: string): void {
    const lease = this.#known(id);
    lease.expiresAtMs = Math.min(lease.expiresAtMs, this.#clock.now());
  }

  /** Those of these that are over, or whose secret is gone. One that is not known here yet is being asked for. */
  endedAmong(ids: readonly string[]): string[] {
    const nowMs = this.#clock.now();
    return ids.filter((id) => {
      const lease = this.#leases.get(id);
      if (lease === undefined) return false;
      return lease.expiresAtMs <= nowMs || this.#state.secret(lease.secret) === undefined;
    });
  }

  /** The lease that an earlier request under this id was given, whose reply was lost. */
  #sameAgain(id: string, asked: KnownLease, nowMs: number): KnownLease | undefined {
    const held = this.#leases.get(id);
    if (held === undefined) return undefined;
    const isSame = held.secret === asked.secret && held.version === asked.version;
    if (!isSame || held.expiresAtMs <= nowMs) throw ended();
    return held;
  }

  #known(id: string): KnownLease {
    const lease = this.#leases.get(id);
    if (lease === undefined)
      throw refusal(404, 'lease.not_found', 'There is no such lease here; take one.');
    return lease;
  }

  #forgetExpired(nowMs: number): void {
    for (const [id, { expiresAtMs }] of this.#leases)
      if (expiresAtMs <= nowMs) this.#leases.delete(id);
  }
}

function ttlMs(policy: LeasePolicy, askedSeconds = policy.ttlSeconds): number {
  return Math.min(askedSeconds, policy.ttlSeconds) * 1000;
}

function termOf({ expiresAtMs, lastsUntilMs }: KnownLease, nowMs: number): LeaseTerm {
  return {
    ttlSeconds: Math.max(1, Math.floor((expiresAtMs - nowMs) / 1000)),
    expiresAt: new Date(expiresAtMs).toISOString(),
    lastsUntil: new Date(lastsUntilMs).toISOString(),
  };
}

function ended(): AgentError {
  return refusal(409, 'lease.ended', 'This lease is over; take another one.');
}

function refusal(status: number, code: string, message: string): AgentError {
  return new AgentError(code, message, { status });
}

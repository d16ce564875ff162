import {
  renewLeaseBody,
  takeLeaseBody,
  type LeaseTerm,
  type TakenLease,
  type TakeLeaseBody,
} from '@sallyport/contract';
import { sealLeaseValue } from '@sallyport/crypto/lease-value';
import { Refusal, type DoubleAgent } from './authority.ts';

type Lendable = { value: string; ttlSeconds: number; maxUses: number | null };

/** What the double lends out, and to whom. */
export class DoubleLending {
  readonly #secrets = new Map<string, Lendable>();
  /** By id, what was asked for. */
  readonly open = new Map<string, TakeLeaseBody>();
  readonly #ended = new Set<string>();
  /** What is asked for is answered once it resolves. */
  gate: Promise<void> | undefined;

  lend(secret: string, lendable: Lendable): void {
    this.#secrets.set(secret, lendable);
  }

  /** Ends a lease, as an operator does. */
  end(id: string): void {
    this.open.delete(id);
    this.#ended.add(id);
  }

  endedAmong(ids: readonly string[] = []): string[] {
    return ids.filter((id) => this.#ended.has(id));
  }

  async answer(agent: DoubleAgent, path: string, body: string): Promise<object | undefined> {
    if (path === '/agent/v1/leases')
      return this.#take(agent, takeLeaseBody.parse(JSON.parse(body)));
    const [, id = '', act] = /^\/agent\/v1\/leases\/([^/]+)\/(renew|revoke)$/.exec(path) ?? [];
    const { secret } = this.open.get(id) ?? {};
    if (secret === undefined) throw new Refusal(409, 'lease.ended');
    if (act === 'revoke') {
      this.end(id);
      return undefined;
    }
    const { ttlSeconds } = renewLeaseBody.parse(JSON.parse(body));
    return term(ttlSeconds ?? this.#secrets.get(secret)?.ttlSeconds ?? 0);
  }

  async #take(agent: DoubleAgent, asked: TakeLeaseBody): Promise<TakenLease> {
    const found = this.#secrets.get(asked.secret);
    if (found === undefined) throw new Refusal(404, 'secret.not_found');
    this.open.set(asked.id, asked);
    await this.gate;
    const { value, maxUses } = found;
    const sealed = await sealLeaseValue(asked.id, Buffer.from(value), agent.encryptionKey);
    const ttlSeconds = Math.min(asked.ttlSeconds ?? found.ttlSeconds, found.ttlSeconds);
    return { ...term(ttlSeconds), version: 1, maxUses, value: sealed };
  }
}

function term(ttlSeconds: number): LeaseTerm {
  const expiresAt = new Date(Date.now() + ttlSeconds * 1000).toISOString();
  return { ttlSeconds, expiresAt, lastsUntil: expiresAt };
}

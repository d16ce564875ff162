import { randomUUIDv7 } from 'node:crypto';
import { MAX_LEASES, PROTOCOL, type Application } from '@sallyport/contract';
import type { Place } from '@sallyport/crypto/envelope';
import { openLeaseValue } from '@sallyport/crypto/lease-value';
import { AgentError } from '../agent-error.ts';
import { openValue, sealValue } from '../cache/sealed-value.ts';
import { elapsedMs, later, momentOf, type Clock, type Moment } from '../clock.ts';
import type { KeyMemory } from '../host/key-memory.ts';
import type { ControlPlane } from '../link/control-plane.ts';
import type { Log } from '../log.ts';
import type { Identity } from '../state/identity.ts';
import { ended, expired, lendingRefusal, mayBeLent, notFound, usedUp } from './lease-errors.ts';

/** A lease as its program sees it. `usesLeft` is null where its value may be read any number of times. */
export type Lease = {
  id: string;
  secret: string;
  version: number;
  /** ISO 8601 by the control plane's clock. */
  expiresAt: string;
  lastsUntil: string;
  usesLeft: number | null;
  application: Application;
};

/** A lease and its value in plaintext, which the caller zeroes. */
export type Lent = { lease: Lease; value: Uint8Array };

type Held = Lease & {
  sealed: Uint8Array;
  endsAt: Moment;
  timer: AbortController;
};

/** How long it is wanted, and under which request. */
export type RenewLease = { ttlSeconds: number | undefined; requestId: string };

export type LeaseParts = {
  controlPlane: Pick<ControlPlane, 'takeLease' | 'renewLease' | 'giveBackLease'>;
  identity: Pick<Identity, 'encryptionKey'>;
  clock: Pick<Clock, 'now' | 'monotonic' | 'sleep'>;
  log: Log;
  keyMemory: KeyMemory;
};

/** How a lease that is held no longer came to its end. */
type End = 'used up' | 'expired' | 'ended';

/** Of programs at one place: none takes what others need. */
const MAX_AT_PLACE = 64;
/** How long a program waits for the agent's first word with the control plane. */
const PATIENCE_MS = 5_000;
/** So many are remembered, so that a program is told how its lease ended and not that there was none. */
const MAX_REMEMBERED = 4 * MAX_LEASES;

/**
 * Secrets that are lent out: asked for when a program asks, held sealed in memory until they expire, are used up or
 * ended, and never on a disk. Without the control plane there are none.
 */
export class Leases {
  readonly #parts: LeaseParts;
  readonly #held = new Map<string, Held>();
  /** Asked for, and not answered yet. */
  readonly #asking = new Map<string, { isEnded: boolean; place: string }>();
  readonly #over = new Map<string, End>();
  #key: Uint8Array | undefined;
  /** Settled once the control plane has ended what this agent held before, and knows no more of. */
  #forgotten = Promise.withResolvers<void>();
  #isForgetful = true;

  constructor(parts: LeaseParts) {
    this.#parts = parts;
  }

  /** Whether the control plane is to be told that what is not named is held no more: after a start, and after a wipe. */
  get isForgetful(): boolean {
    return this.#isForgetful;
  }

  /** The control plane was told. */
  remembered(): void {
    this.#isForgetful = false;
    this.#forgotten.resolve();
  }

  /** Those that the control plane is asked about with each pull. */
  named(): string[] {
    // Of a pause of the whole machine their timers know nothing.
    for (const [id, { endsAt }] of this.#held)
      if (elapsedMs(this.#parts.clock, endsAt) >= 0) this.#drop(id, 'expired');
    return [...this.#held.keys(), ...this.#asking.keys()];
  }

  /**
   * Takes a lease for a program; the value that comes with it is its first use.
   *
   * @throws AgentError of the control plane, `lease.unavailable`, `lease.ended`, `lease.too_many`
   */
  async take(asked: {
    secret: string;
    ttlSeconds?: number | undefined;
    application: Application;
    requestId: string;
  }): Promise<Lent> {
    const { controlPlane, clock, identity, log } = this.#parts;
    await this.#ready();
    this.#refuseTooMany(asked.application.listener);
    const id = randomUUIDv7();
    const state = { isEnded: false, place: asked.application.listener };
    this.#asking.set(id, state);
    try {
      const askedAt = momentOf(clock);
      const body = { protocol: PROTOCOL, id, ...asked };
      const taken = await controlPlane.takeLease(body).catch((error: unknown) => {
        if (mayBeLent(error)) this.#tell(id);
        return lendingRefusal(error);
      });
      const { privateKey } = identity.encryptionKey;
      const value = await openLeaseValue(taken.value, privateKey, id).catch((error: unknown) => {
        this.#tell(id);
        throw error;
      });
      if (state.isEnded) {
        value.fill(0);
        // By a wipe, of which the control plane may have heard before.
        this.#tell(id);
        throw ended();
      }
      const { version, expiresAt, lastsUntil, maxUses } = taken;
      const usesLeft = maxUses === null ? null : maxUses - 1;
      const { requestId, secret, application } = asked;
      const lease = { id, secret, version, expiresAt, lastsUntil, usesLeft, application };
      log.info({ leaseId: id, version, requestId }, 'lease taken');
      if (usesLeft === 0) this.#giveUp(id, 'used up');
      else this.#hold(lease, value, later(askedAt, taken.ttlSeconds * 1000));
      return { lease, value };
    } finally {
      this.#asking.delete(id);
    }
  }

  /** What is known of a lease that is held. @throws AgentError `lease.*` */
  find(id: string): Lease {
    return this.#holding(id);
  }

  /** Reads the value of a lease, which is a use of it. @throws AgentError `lease.*` */
  read(id: string): Lent {
    const held = this.#holding(id);
    if (this.#key === undefined) throw notFound();
    const value = openValue(this.#key, held.sealed, placeOf(held));
    if (held.usesLeft !== null) held.usesLeft -= 1;
    if (held.usesLeft === 0) this.#giveUp(id, 'used up');
    return { lease: viewOf(held), value };
  }

  /** Prolongs a lease. @throws AgentError `lease.*` */
  async renew(id: string, asked: RenewLease): Promise<Lease> {
    const { controlPlane, clock } = this.#parts;
    this.#holding(id);
    const askedAt = momentOf(clock);
    const term = await controlPlane.renewLease(id, asked).catch((error: unknown) => {
      if (error instanceof AgentError && error.code === 'lease.ended') this.#drop(id, 'ended');
      return lendingRefusal(error);
    });
    // It may have ended meanwhile.
    const held = this.#holding(id);
    held.expiresAt = term.expiresAt;
    this.#endAt(held, later(askedAt, term.ttlSeconds * 1000));
    return viewOf(held);
  }

  /** Forgets the value of a lease at once, and tells the control plane. @throws AgentError `lease.*` */
  giveBack(id: string): void {
    this.#holding(id);
    this.#giveUp(id, 'ended');
  }

  /** The control plane says that these are over. Whether that is news. */
  end(ids: readonly string[]): boolean {
    let isNews = false;
    for (const id of ids) {
      const asking = this.#asking.get(id);
      isNews ||= this.#held.has(id) || asking?.isEnded === false;
      if (asking !== undefined) asking.isEnded = true;
      this.#drop(id, 'ended');
    }
    return isNews;
  }

  /** Forgets everything, beyond recovery; also what is still on its way. */
  wipe(): void {
    this.end(this.named());
    if (!this.#isForgetful) this.#forgotten = Promise.withResolvers();
    this.#isForgetful = true;
    if (this.#key !== undefined) this.#parts.keyMemory.release(this.#key);
    this.#key = undefined;
  }

  #holding(id: string): Held {
    const held = this.#held.get(id);
    // Its timer may be late.
    if (held !== undefined && elapsedMs(this.#parts.clock, held.endsAt) < 0) return held;
    this.#drop(id, 'expired');
    throw this.#missing(id);
  }

  #hold(lease: Lease, value: Uint8Array, endsAt: Moment): void {
    this.#key ??= this.#parts.keyMemory.make();
    const sealed = sealValue(this.#key, value, placeOf(lease));
    const held: Held = { ...lease, sealed, endsAt, timer: new AbortController() };
    this.#held.set(lease.id, held);
    this.#endAt(held, endsAt);
  }

  #endAt(held: Held, endsAt: Moment): void {
    const { clock } = this.#parts;
    held.timer.abort();
    const timer = new AbortController();
    Object.assign(held, { endsAt, timer });
    void clock.sleep(-elapsedMs(clock, endsAt), timer.signal).then(() => {
      if (!timer.signal.aborted) this.#drop(held.id, 'expired');
    });
  }

  #refuseTooMany(place: string): void {
    const named = this.named();
    const held = this.#held.values().map(({ application }) => application.listener);
    const asking = this.#asking.values().map((each) => each.place);
    const here = [...held, ...asking].filter((each) => each === place);
    if (here.length < MAX_AT_PLACE && named.length < MAX_LEASES) return;
    throw new AgentError('lease.too_many', 'too many leases are held here already', {
      advice: 'give back those that are not needed',
    });
  }

  async #ready(): Promise<void> {
    if (!this.#isForgetful) return;
    const late = new AbortController();
    const { clock } = this.#parts;
    await Promise.race([this.#forgotten.promise, clock.sleep(PATIENCE_MS, late.signal)]);
    late.abort();
    if (this.#isForgetful)
      lendingRefusal(new AgentError('agent.not_ready', 'the control plane is not reached'));
  }

  #giveUp(id: string, how: End): void {
    this.#drop(id, how);
    this.#remember(id, how);
    this.#tell(id, how);
  }

  #tell(id: string, how: End = 'ended'): void {
    const { controlPlane, log } = this.#parts;
    // What is not told ends by itself when it expires.
    controlPlane.giveBackLease(id, { usedUp: how === 'used up' }).catch((error: unknown) => {
      const code = error instanceof AgentError ? error.code : 'agent.internal';
      log.warn({ leaseId: id, code }, 'the control plane could not be told that a lease is over');
    });
  }

  #drop(id: string, how: End): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    this.#held.delete(id);
    held.timer.abort();
    held.sealed.fill(0);
    this.#remember(id, how);
    this.#parts.log.info({ leaseId: id }, `lease ${how}`);
  }

  #remember(id: string, how: End): void {
    this.#over.set(id, how);
    const [oldest] = this.#over.keys();
    if (this.#over.size > MAX_REMEMBERED && oldest !== undefined) this.#over.delete(oldest);
  }

  #missing(id: string): AgentError {
    switch (this.#over.get(id)) {
      case 'used up':
        return usedUp();
      case 'expired':
        return expired();
      case 'ended':
        return ended();
      case undefined:
        return notFound();
    }
  }
}

function viewOf(held: Held): Lease {
  const { id, secret, version, expiresAt, lastsUntil, usesLeft, application } = held;
  return { id, secret, version, expiresAt, lastsUntil, usesLeft, application };
}

function placeOf({ id, secret }: Pick<Lease, 'id' | 'secret'>): Place {
  return { table: 'agent_leases', row: id, field: secret, group: '', keyVersion: 1 };
}

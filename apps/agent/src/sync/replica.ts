import type { Bundle } from '@sallyport/contract';
import { openDeliveryKey, type DeliveryKey } from '@sallyport/crypto/delivery-key';
import { AgentError } from '../agent-error.ts';
import type { Change, ValueCache } from '../cache/value-cache.ts';
import { KeyMemory } from '../host/key-memory.ts';
import type { Identity } from '../state/identity.ts';
import { asRefusal, openBundle, zeroBundle, type OpenedBundle } from './open-bundle.ts';

/** A bundle as it came, with the wrapped delivery key when its epoch is new to this agent. */
export type Delivery = { bundle: Bundle; deliveryKey: string | undefined };

/** What may be kept on disk of a revision, exactly as received. */
export type DurableCopy = { revision: number; deliveryKey: string; durable: string };

export type Applied = {
  revision: number;
  epoch: number;
  changes: Change[];
  /** What was held before had been wiped, so that what is gone since is not among the changes. */
  isAnew: boolean;
  durableCopy: DurableCopy;
};

type HeldKey = { wrapped: string; delivery: DeliveryKey };

/**
 * The agent's copy of its group's desired state: the one place that decides whether a bundle is taken.
 * A bundle is taken as a whole or not at all, and revisions never go backwards.
 */
export class Replica {
  readonly #identity: Pick<Identity, 'encryptionKey' | 'verificationKeyring'>;
  readonly #cache: ValueCache;
  readonly #keyMemory: KeyMemory;
  #group: Identity['group'];
  /** Whether what is held is of the group before. */
  #isForeign = false;
  #floor = 0;
  #isWiped = false;
  #key: HeldKey | undefined;

  constructor(
    identity: Pick<Identity, 'group' | 'encryptionKey' | 'verificationKeyring'>,
    cache: ValueCache,
    keyMemory = KeyMemory.ordinary(),
  ) {
    this.#identity = identity;
    this.#group = identity.group;
    this.#cache = cache;
    this.#keyMemory = keyMemory;
  }

  /** What to name in a pull: revision 0 until a revision is held with all of its parts. */
  position(): { revision: number; epoch: number } {
    const held = this.#held();
    if (held === undefined) return { revision: 0, epoch: 0 };
    return { revision: held.complete ? held.revision : 0, epoch: held.epoch };
  }

  /** The group whose bundles are taken. */
  get group(): Identity['group'] {
    return this.#group;
  }

  /** Takes bundles of another group from now on. What is held stays until the first of them, or until it is wiped. */
  moveTo(group: Identity['group']): void {
    this.#group = group;
    this.#floor = 0;
    this.#isForeign = this.#cache.revision() !== undefined;
  }

  /** Refuses every revision below this one from now on. */
  raiseFloor(revision: number): void {
    this.#floor = Math.max(this.#floor, revision);
  }

  /**
   * Verifies a bundle from the control plane and swaps it in; undefined when it is the one already held.
   *
   * @throws AgentError `bundle.*` or `delivery_key.unreadable`; the state before is then untouched
   */
  async take({ bundle, deliveryKey }: Delivery): Promise<Applied | undefined> {
    return this.#withKey(deliveryKey, async (key) =>
      this.#swapIn(bundle, key, await this.#verified(bundle, key.delivery)),
    );
  }

  /**
   * Verifies what an earlier run kept on disk and swaps it in, its live values missing.
   *
   * @throws AgentError as `take` does
   */
  async restore({
    durable,
    deliveryKey,
  }: Omit<DurableCopy, 'revision'>): Promise<Applied | undefined> {
    return this.#withKey(deliveryKey, async (key) =>
      this.#swapIn({ durable }, key, await this.#opened({ durable }, key.delivery)),
    );
  }

  #swapIn(bundle: Bundle, key: HeldKey, opened: OpenedBundle): Applied | undefined {
    // The agent may have been moved while it was opened.
    if (key.delivery.group !== this.#group.id || !this.#isNews(opened)) {
      zeroBundle(opened);
      return undefined;
    }
    const { revision, epoch } = opened;
    const changes = this.#cache.replace(opened);
    this.raiseFloor(revision);
    if (this.#key !== key) this.#keep(key);
    this.#isForeign = false;
    const isAnew = this.#isWiped;
    this.#isWiped = false;
    return {
      revision,
      epoch,
      changes,
      isAnew,
      durableCopy: { revision, deliveryKey: key.wrapped, durable: bundle.durable },
    };
  }

  /** Forgets values and keys, beyond recovery. */
  wipe(): void {
    this.#cache.wipe();
    this.#forgetKey();
    this.#isWiped = true;
  }

  #keep({ wrapped, delivery }: HeldKey): void {
    this.#forgetKey();
    this.#key = { wrapped, delivery: { ...delivery, key: this.#keyMemory.adopt(delivery.key) } };
  }

  #forgetKey(): void {
    if (this.#key !== undefined) this.#keyMemory.release(this.#key.delivery.key);
    this.#key = undefined;
  }

  /** What is held of this group. */
  #held(): { revision: number; epoch: number; complete: boolean } | undefined {
    return this.#isForeign ? undefined : this.#cache.revision();
  }

  /** A key that comes with a bundle is held from then on if the bundle is taken; the copy here is zeroed. */
  async #withKey(
    wrapped: string | undefined,
    take: (key: HeldKey) => Promise<Applied | undefined>,
  ): Promise<Applied | undefined> {
    if (wrapped === undefined || wrapped === this.#key?.wrapped) return take(this.#heldKey());
    const { privateKey } = this.#identity.encryptionKey;
    const open = async () => openDeliveryKey(wrapped, privateKey, this.#group.id);
    const delivery = await asRefusal(open);
    try {
      return await take({ wrapped, delivery });
    } finally {
      delivery.key.fill(0);
    }
  }

  #heldKey(): HeldKey {
    if (this.#key !== undefined && !this.#isForeign) return this.#key;
    throw new AgentError(
      'bundle.no_delivery_key',
      'the bundle came without the delivery key it needs',
      { retryable: true },
    );
  }

  async #verified(bundle: Bundle, delivery: DeliveryKey): Promise<OpenedBundle> {
    const opened = await this.#opened(bundle, delivery);
    if (opened.complete) return opened;
    zeroBundle(opened);
    throw new AgentError('bundle.incomplete', 'the bundle came without its live part', {
      retryable: true,
    });
  }

  async #opened(bundle: Bundle, delivery: DeliveryKey): Promise<OpenedBundle> {
    const open = async () => openBundle(bundle, delivery, this.#identity.verificationKeyring);
    const opened = await asRefusal(open);
    const heldEpoch = this.#held()?.epoch ?? 0;
    if (opened.revision >= this.#floor && opened.epoch >= heldEpoch) return opened;
    zeroBundle(opened);
    throw new AgentError(
      'bundle.older',
      `the bundle is of revision ${opened.revision}, epoch ${opened.epoch}; this agent has run revision ${this.#floor}, epoch ${heldEpoch}`,
      { retryable: true },
    );
  }

  #isNews({ revision, epoch, complete }: OpenedBundle): boolean {
    const held = this.#held();
    if (held === undefined || revision > held.revision || epoch > held.epoch) return true;
    // An older one is none, even if it is complete: it was pulled while a newer one was imported.
    return revision === held.revision && complete && !held.complete;
  }
}

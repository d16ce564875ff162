import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Bundle } from '@sallyport/contract';
import { sealBundlePart } from '@sallyport/crypto/bundle';
import {
  generateDeliveryKey,
  sealDeliveryKey,
  type DeliveryKey,
} from '@sallyport/crypto/delivery-key';
import {
  generateSigningJwk,
  importSigningKey,
  type SigningKey,
} from '@sallyport/crypto/signing-key';
import type { Content } from './values-file.ts';

export type HeldContent = Content & { version: number };

/** A group of which nothing is stored: its values, their versions, and keys that last as long as this object. */
export class DesiredState {
  readonly group = { id: randomUUID(), name: 'development' };
  readonly signer: SigningKey;
  readonly #delivery: DeliveryKey = generateDeliveryKey(this.group.id, 1);
  #contents = new Map<string, HeldContent>();
  /** Also of names that are gone: one that comes back is another. */
  readonly #versions = new Map<string, number>();
  #revision = 0;

  private constructor(signer: SigningKey) {
    this.signer = signer;
  }

  static async create(): Promise<DesiredState> {
    return new DesiredState(importSigningKey(await generateSigningJwk()));
  }

  get revision(): number {
    return this.#revision;
  }

  get epoch(): number {
    return this.#delivery.epoch;
  }

  /** Puts these in the place of what there was. What differs gets the next version; whether anything does. */
  replace(contents: readonly Content[]): boolean {
    const before = this.#contents;
    const after = new Map(contents.map((content) => [keyOf(content), this.#next(content)]));
    const isNews =
      before.size !== after.size || [...after].some(([key, each]) => before.get(key) !== each);
    this.#contents = after;
    for (const [key, { version }] of after) this.#versions.set(key, version);
    if (isNews) this.#revision += 1;
    return isNews;
  }

  #next(content: Content): HeldContent {
    const key = keyOf(content);
    const held = this.#contents.get(key);
    if (held !== undefined && isDeepStrictEqual({ ...content, version: held.version }, held))
      return held;
    return { ...content, version: (this.#versions.get(key) ?? 0) + 1 };
  }

  /** A secret, however it is kept. */
  secret(name: string): HeldContent | undefined {
    return this.#contents.get(`secret:${name}`);
  }

  /** What is delivered of this revision. One part: there is no disk that part of it must be kept from. */
  async bundle(): Promise<Bundle> {
    const delivered = [...this.#contents.values()].filter(({ lease }) => lease === undefined);
    const values = delivered.map(({ value }) => Buffer.from(value));
    const manifest = {
      part: 'durable' as const,
      group: this.group.id,
      revision: this.#revision,
      epoch: this.epoch,
      issuedAt: new Date().toISOString(),
      hasLive: false,
      entries: delivered.map(({ kind, name, version }, index) => {
        return { kind, name, version, length: values[index]?.byteLength ?? 0 };
      }),
    };
    return { durable: await sealBundlePart({ manifest, values }, this.signer, this.#delivery) };
  }

  /** The key of its bundles, for one agent. */
  async deliveryKeyFor(recipient: CryptoKey): Promise<string> {
    return sealDeliveryKey(this.#delivery, recipient);
  }
}

/** A reference and a secret of one name are the same secret. */
function keyOf({ kind, name }: Content): string {
  return `${kind === 'reference' ? 'secret' : kind}:${name}`;
}

import { randomUUID } from 'node:crypto';
import type { Bundle, BundleEntry, BundlePart, CertificateValue } from '@sallyport/contract';
import { sealBundlePart } from '@sallyport/crypto/bundle';
import { generateDeliveryKey, type DeliveryKey } from '@sallyport/crypto/delivery-key';
import {
  generateSigningJwk,
  importSigningKey,
  type SigningKey,
} from '@sallyport/crypto/signing-key';

type Content = {
  kind: BundleEntry['kind'];
  name: string;
  version: number;
  part: BundlePart;
  value: string;
};

/** A group's desired state and its keys, sealed by the code that the control plane uses. */
export class DoubleGroup {
  readonly id: string;
  readonly name: string;
  readonly signer: SigningKey;
  delivery: DeliveryKey;
  revision = 1;
  /** Told of each new revision. */
  onChange = (): void => {};
  readonly #contents = new Map<string, Content>();
  readonly #sealed = new Map<string, Promise<Bundle>>();

  private constructor(name: string, signer: SigningKey) {
    this.id = randomUUID();
    this.name = name;
    this.signer = signer;
    this.delivery = generateDeliveryKey(this.id, 1);
  }

  static async create(name = 'plant-7'): Promise<DoubleGroup> {
    return new DoubleGroup(name, importSigningKey(await generateSigningJwk()));
  }

  putSecret(name: string, value: string, offline: 'allow' | 'deny' = 'allow'): void {
    this.#contents.delete(`reference:${name}`);
    this.#put({ kind: 'secret', name, value, part: offline === 'allow' ? 'durable' : 'live' });
  }

  /** A secret that is a reference: what has a value of its own under this name is gone. */
  putReference(name: string, uri: string): void {
    this.#contents.delete(`secret:${name}`);
    this.#put({ kind: 'reference', name, value: uri, part: 'durable' });
  }

  putPlugin(name: string, config: Record<string, unknown>): void {
    this.#put({ kind: 'plugin', name, value: JSON.stringify(config), part: 'durable' });
  }

  putCertificate(
    name: string,
    { chain, key }: CertificateValue,
    offline: 'allow' | 'deny' = 'allow',
  ): void {
    const part = offline === 'allow' ? 'durable' : 'live';
    this.#put({ kind: 'certificate', name, value: JSON.stringify({ chain, key }), part });
  }

  deleteSecret(name: string): void {
    this.#contents.delete(`secret:${name}`);
    this.#bump();
  }

  deleteCertificate(name: string): void {
    this.#contents.delete(`certificate:${name}`);
    this.#bump();
  }

  /** A new delivery key, as after a revocation; it is a revision of its own. */
  startEpoch(): void {
    this.delivery = generateDeliveryKey(this.id, this.delivery.epoch + 1);
    this.#bump();
  }

  /** The current revision's bundle; the same bytes for every agent. */
  bundle(): Promise<Bundle> {
    const key = `${this.revision}/${this.delivery.epoch}`;
    const sealed = this.#sealed.get(key) ?? this.#seal();
    this.#sealed.set(key, sealed);
    return sealed;
  }

  #put(content: Omit<Content, 'version'>): void {
    const key = `${content.kind}:${content.name}`;
    this.#contents.set(key, { ...content, version: (this.#contents.get(key)?.version ?? 0) + 1 });
    this.#bump();
  }

  #bump(): void {
    this.revision += 1;
    this.onChange();
  }

  async #seal(): Promise<Bundle> {
    const hasLive = [...this.#contents.values()].some(({ part }) => part === 'live');
    const durable = await this.sealPart('durable', hasLive);
    return hasLive ? { durable, live: await this.sealPart('live', hasLive) } : { durable };
  }

  sealPart(part: BundlePart, hasLive: boolean): Promise<string> {
    const own = [...this.#contents.values()].filter((content) => content.part === part);
    const values = own.map(({ value }) => Buffer.from(value));
    const entries = own.map(({ kind, name, version }, at) => ({
      kind,
      name,
      version,
      length: values[at]?.byteLength ?? 0,
    }));
    const { revision, id: group, delivery } = this;
    const manifest = {
      part,
      group,
      revision,
      epoch: delivery.epoch,
      issuedAt: new Date().toISOString(),
      hasLive,
      entries,
    };
    return sealBundlePart({ manifest, values }, this.signer, delivery);
  }
}

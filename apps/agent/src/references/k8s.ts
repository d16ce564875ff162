import { z } from 'zod';
import { readCredential } from './credential.ts';
import { ProviderLink, type ProviderContext } from './provider-link.ts';
import { notThere, unusable, type Provider } from './provider.ts';
import type { ReferenceOf } from './reference.ts';
import type { KubernetesSettings } from './settings.ts';

const secretReply = z.object({ data: z.record(z.string(), z.base64()).default({}) });

/** Secrets of Kubernetes by its API, with the token of a service account. Mounted ones are read by `file://`. */
export class KubernetesProvider implements Provider<'k8s'> {
  readonly #tokenFile: string;
  readonly #link: ProviderLink;

  constructor(settings: KubernetesSettings, context: ProviderContext) {
    this.#tokenFile = settings.tokenFile;
    this.#link = new ProviderLink({
      ...context,
      provider: 'Kubernetes',
      key: 'references.k8s',
      url: settings.url,
      settings,
    });
  }

  async resolve(
    { namespace, secret, key }: ReferenceOf<'k8s'>,
    signal: AbortSignal,
  ): Promise<Buffer> {
    // The kubelet replaces it long before it ends.
    const headers = {
      authorization: `Bearer ${await readCredential(this.#tokenFile)}`,
      accept: 'application/json',
    };
    const path = `/api/v1/namespaces/${namespace}/secrets/${secret}`;
    const reply = await this.#link.request('GET', path, { headers, signal });
    const read = secretReply.safeParse(this.#link.json(reply));
    if (!read.success) throw unusable('Kubernetes answers something that is no Secret');
    const { data } = read.data;
    if (!Object.hasOwn(data, key))
      throw notThere(
        'the Secret of Kubernetes has no key of the name in the reference',
        'mend the reference',
      );
    return Buffer.from(data[key] ?? '', 'base64');
  }

  close(): void {
    this.#link.close();
  }
}

import type { Clock } from '../clock.ts';
import { unescaped } from '../local-api/json-text.ts';
import { AzureLogin } from './azure-login.ts';
import { ProviderLink, type ProviderContext } from './provider-link.ts';
import { denied, unusable, type Provider } from './provider.ts';
import type { ReferenceOf } from './reference.ts';
import type { AzureSettings } from './settings.ts';

const API_VERSION = '7.4';
const QUOTE = 0x22;

/**
 * Azure Key Vault by its REST API. Not by Azure's packages: those for a secret and a login bring three megabytes
 * and an HTTP client that knows neither the TLS policy nor the proxies of the agent's links, for two requests.
 */
export class AzureProvider implements Provider<'azure-kv'> {
  readonly #vaults: ReadonlyMap<string, ProviderLink>;
  readonly #login: AzureLogin;

  constructor(settings: AzureSettings, context: ProviderContext & Pick<Clock, 'monotonic'>) {
    const parts = { ...context, provider: 'Azure Key Vault', key: 'references.azureKv', settings };
    const links = Object.entries(settings.vaults).map(
      ([name, url]) => [name, new ProviderLink({ ...parts, url })] as const,
    );
    this.#vaults = new Map(links);
    this.#login = new AzureLogin(settings, {
      link: new ProviderLink({ ...parts, provider: 'Microsoft Entra', url: settings.loginUrl }),
      now: context.now,
      monotonic: context.monotonic,
    });
  }

  async resolve(
    { vault, secret, version = '' }: ReferenceOf<'azure-kv'>,
    signal: AbortSignal,
  ): Promise<Buffer> {
    const link = this.#vaults.get(vault);
    if (link === undefined)
      throw denied(
        'the vault that the secret refers to is not one that may be read',
        'add it to references.azureKv.vaults of this agent, or mend the reference',
      );
    const token = await this.#login.token(signal);
    const path = `/secrets/${secret}/${version}?api-version=${API_VERSION}`;
    const headers = { authorization: `Bearer ${token}`, accept: 'application/json' };
    const reply = await link.request('GET', path, { headers, signal });
    if (reply.status === 401) this.#login.forget(token);
    const value = link.member(reply, ['value']);
    if (value?.[0] !== QUOTE) throw unusable('Azure Key Vault answers something that is no secret');
    try {
      return unescaped(value.subarray(1, -1));
    } finally {
      value.fill(0);
    }
  }

  close(): void {
    for (const link of this.#vaults.values()) link.close();
    this.#login.close();
  }
}

import { AgentError } from '../agent-error.ts';
import { compacted } from '../local-api/json-text.ts';
import type { Log } from '../log.ts';
import { memberOf } from './member.ts';
import { ProviderLink, type ProviderContext } from './provider-link.ts';
import { unusable, type Provider } from './provider.ts';
import type { ReferenceOf } from './reference.ts';
import type { VaultSettings } from './settings.ts';
import { VaultLogin, vaultHeaders } from './vault-login.ts';

const OPEN_OBJECT = 0x7b;

/** HashiCorp Vault and OpenBao: the KV secrets engine, version 2, by its HTTP API. */
export class VaultProvider implements Provider<'vault'> {
  readonly #settings: VaultSettings;
  readonly #link: ProviderLink;
  readonly #login: VaultLogin;
  readonly #log: Log;

  constructor(settings: VaultSettings, context: ProviderContext & { monotonic: () => number }) {
    this.#settings = settings;
    this.#log = context.log;
    this.#link = new ProviderLink({
      ...context,
      provider: 'Vault',
      key: 'references.vault',
      url: settings.url,
      settings,
    });
    this.#login = new VaultLogin({ link: this.#link, settings, monotonic: context.monotonic });
  }

  async resolve(reference: ReferenceOf<'vault'>, signal: AbortSignal): Promise<Buffer> {
    const token = await this.#login.token(signal);
    let reply = await this.#read(reference, token, signal);
    if (reply.status === 403 && this.#login.forget(token))
      reply = await this.#read(reference, await this.#login.token(signal), signal);
    const kept = this.#link.member(reply, ['data', 'data']);
    if (kept === undefined || kept[0] !== OPEN_OBJECT)
      throw unusable(
        'Vault answers no secret of a KV engine, version 2',
        'mend the mount in the reference',
      );
    return reference.field === undefined ? compactedOf(kept) : memberOf(kept, reference.field);
  }

  async close(): Promise<void> {
    try {
      await this.#login.logOut();
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      const { code, message: detail } = error;
      this.#log.warn({ code, detail }, 'the token of Vault was not revoked, and ends by itself');
    } finally {
      this.#link.close();
    }
  }

  #read({ mount, path, version }: ReferenceOf<'vault'>, token: string, signal: AbortSignal) {
    const query = version === undefined ? '' : `?version=${version}`;
    const url = `/v1/${encoded(mount)}/data/${encoded(path)}${query}`;
    return this.#link.request('GET', url, { headers: vaultHeaders(this.#settings, token), signal });
  }
}

function encoded(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

function compactedOf(json: Buffer): Buffer {
  try {
    return compacted(json);
  } finally {
    json.fill(0);
  }
}

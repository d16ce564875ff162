import { Peer, type Answer, type Asked } from './peer.ts';

const denied = { status: 403, json: { error: { code: 'Forbidden' } } };

/** As Microsoft Entra's token endpoint and Key Vault's REST API are documented, both at one address. */
export class AzurePeer implements AsyncDisposable {
  readonly #secrets = new Map<string, string[]>();
  readonly #forbidden = new Set<string>();
  readonly #tokens = new Set<string>();
  peer!: Peer;

  static async start(): Promise<AzurePeer> {
    const azure = new AzurePeer();
    azure.peer = await Peer.start((asked) => azure.#answer(asked));
    return azure;
  }

  put(name: string, value: string): void {
    this.#secrets.set(name, [...(this.#secrets.get(name) ?? []), value]);
  }

  delete(name: string): void {
    this.#secrets.delete(name);
  }

  forbid(name: string): void {
    this.#forbidden.add(name);
  }

  /** A token for Key Vault, as the endpoint of a machine gives it, too. */
  mintToken(): string {
    const token = `entra-${this.#tokens.size}`;
    this.#tokens.add(token);
    return token;
  }

  endTokens(): void {
    this.#tokens.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.peer.stop();
  }

  #answer({ method, path, query, headers, body }: Asked): Answer {
    if (method === 'POST' && path === '/contoso.example/oauth2/v2.0/token')
      return this.#logIn(headers['content-type'], new URLSearchParams(body));
    const [, name = '', version = ''] = /^\/secrets\/([\w-]+)\/(\w*)$/.exec(path) ?? [];
    if (query.get('api-version') !== '7.4') return { status: 400 };
    const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? '';
    if (!this.#tokens.has(token)) return { status: 401 };
    if (this.#forbidden.has(name)) return denied;
    const versions = this.#secrets.get(name) ?? [];
    const value = version === '' ? versions.at(-1) : versions[Number(version) - 1];
    if (value === undefined) return { status: 404, json: { error: { code: 'SecretNotFound' } } };
    return { status: 200, json: { value, id: `https://shop.vault.azure.net${path}` } };
  }

  #logIn(contentType: string | undefined, form: URLSearchParams): Answer {
    const isAsked =
      contentType === 'application/x-www-form-urlencoded' &&
      form.get('grant_type') === 'client_credentials' &&
      form.get('scope') === 'https://vault.azure.net/.default' &&
      form.get('client_id') === 'agent';
    const isGood =
      form.get('client_secret') === 'entra-secret' ||
      (form.get('client_assertion') === 'pod.token.x' &&
        form.get('client_assertion_type') ===
          'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
    if (!isAsked || !isGood) return { status: 401, json: { error: 'invalid_client' } };
    const json = { token_type: 'Bearer', expires_in: 3_600, access_token: this.mintToken() };
    return { status: 200, json };
  }
}

import { randomUUID } from 'node:crypto';
import { Peer, type Answer, type Asked } from './peer.ts';

type Token = { ttl: number; renewable: boolean };
const denied = { status: 403, json: { errors: ['permission denied'] } };
const absent = { status: 404, json: { errors: [] } };

/** As Vault's HTTP API is documented: KV version 2, tokens, and the login by AppRole, Kubernetes and certificate. */
export class VaultPeer implements AsyncDisposable {
  readonly tokens = new Map<string, Token>();
  readonly #versions = new Map<string, unknown[]>();
  readonly #forbidden = new Set<string>();
  readonly #namespace: string | undefined;
  /** Of what a login gives. */
  grants: Token = { ttl: 3_600, renewable: true };
  peer!: Peer;

  private constructor(namespace: string | undefined) {
    this.#namespace = namespace;
  }

  static async start(namespace?: string): Promise<VaultPeer> {
    const vault = new VaultPeer(namespace);
    vault.peer = await Peer.start((asked) => vault.#answer(asked));
    return vault;
  }

  mintToken(token: Token = { ttl: 0, renewable: false }): string {
    const id = `hvs.${randomUUID()}`;
    this.tokens.set(id, token);
    return id;
  }

  put(path: string, data: unknown): void {
    this.#versions.set(path, [...(this.#versions.get(path) ?? []), data]);
  }

  delete(path: string): void {
    this.#versions.delete(path);
  }

  forbid(path: string): void {
    this.#forbidden.add(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.peer.stop();
  }

  #answer(asked: Asked): Answer {
    const { path, headers, client } = asked;
    if (headers['x-vault-request'] !== 'true') return { status: 400 };
    if (headers['x-vault-namespace'] !== this.#namespace) return denied;
    const [, method = ''] = /^\/v1\/auth\/([\w/-]+)\/login$/.exec(path) ?? [];
    if (method !== '') return this.#logIn(method, JSON.parse(asked.body), client);
    const id = String(headers['x-vault-token']);
    const token = this.tokens.get(id);
    if (token === undefined) return denied;
    if (path === '/v1/auth/token/lookup-self') return { status: 200, json: { data: token } };
    if (path === '/v1/auth/token/renew-self')
      return token.renewable ? this.#grant(id, token) : { status: 400 };
    if (path === '/v1/auth/token/revoke-self') {
      this.tokens.delete(id);
      return { status: 204 };
    }
    return this.#read(asked);
  }

  #logIn(method: string, given: Record<string, unknown>, client: string | undefined): Answer {
    const isGood =
      (method === 'approle' && given['role_id'] === 'shop' && given['secret_id'] === 'the-id') ||
      (method === 'teams/k8s' && given['role'] === 'shop' && given['jwt'] === 'pod.token.x') ||
      (method === 'cert' && client === 'edge-1');
    if (!isGood) return { status: 400, json: { errors: ['invalid credentials'] } };
    return this.#grant(this.mintToken({ ...this.grants }), this.grants);
  }

  #grant(id: string, { ttl, renewable }: Token): Answer {
    const auth = { client_token: id, lease_duration: ttl, renewable };
    return { status: 200, json: { auth } };
  }

  #read({ path, query }: Asked): Answer {
    const [, mount, name = ''] = /^\/v1\/(\w+)\/data\/(.+)$/.exec(path) ?? [];
    const key = decodeURIComponent(name);
    if (mount !== 'kv') return absent;
    if (this.#forbidden.has(key)) return denied;
    const versions = this.#versions.get(key) ?? [];
    const version = Number(query.get('version') ?? versions.length);
    const data = versions[version - 1];
    if (data === undefined) return absent;
    return { status: 200, json: { data: { data, metadata: { version } } } };
  }
}

import { Peer, type Answer, type Asked } from './peer.ts';

const status = (code: number, reason: string): Answer => ({
  status: code,
  json: { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, code },
});

/** As the API of Kubernetes is documented, for reading one Secret with the token of a service account. */
export class KubernetesPeer implements AsyncDisposable {
  readonly #secrets = new Map<string, Record<string, string>>();
  readonly #forbidden = new Set<string>();
  token = 'pod.token.1';
  peer!: Peer;

  static async start(): Promise<KubernetesPeer> {
    const kubernetes = new KubernetesPeer();
    kubernetes.peer = await Peer.start((asked) => kubernetes.#answer(asked));
    return kubernetes;
  }

  put(name: string, data: Record<string, string>): void {
    this.#secrets.set(name, data);
  }

  delete(name: string): void {
    this.#secrets.delete(name);
  }

  forbid(name: string): void {
    this.#forbidden.add(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.peer.stop();
  }

  #answer({ method, path, headers }: Asked): Answer {
    if (headers.authorization !== `Bearer ${this.token}`) return status(401, 'Unauthorized');
    const [, name = ''] = /^\/api\/v1\/namespaces\/shop\/secrets\/([\w.-]+)$/.exec(path) ?? [];
    if (method !== 'GET' || this.#forbidden.has(name)) return status(403, 'Forbidden');
    const held = this.#secrets.get(name);
    if (held === undefined) return status(404, 'NotFound');
    const data = Object.fromEntries(
      Object.entries(held).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
    );
    const json = { kind: 'Secret', apiVersion: 'v1', metadata: { name }, data };
    return { status: 200, json };
  }
}

import type { FastifyInstance, InjectOptions } from 'fastify';
import { OWNER_PASSWORD } from './control-plane.ts';

export type Reply = {
  status: number;
  headers: Record<string, unknown>;
  body: unknown;
  text: string;
};

/** Calls the operator API in-process as a signed-in operator. */
export class OperatorClient {
  readonly #app: FastifyInstance;
  /** Where it calls from, when not from this host. */
  remoteAddress: string | undefined;
  token: string | undefined;

  constructor(app: FastifyInstance) {
    this.#app = app;
  }

  static async signedIn(
    app: FastifyInstance,
    credentials: { name: string; password: string; totp?: string } = {
      name: 'owner',
      password: OWNER_PASSWORD,
    },
  ): Promise<OperatorClient> {
    const client = new OperatorClient(app);
    const reply = await client.call('POST', '/sessions', credentials);
    if (reply.status !== 201)
      throw new Error(`signing in was answered ${reply.status}: ${reply.text}`);
    client.token = field(reply.body, 'token');
    return client;
  }

  /** Writes a thing whether it is there or not, where replacing it needs a word about what is replaced. */
  async put(path: string, payload: InjectOptions['payload']): Promise<Reply> {
    const reply = await this.call('PUT', path, payload);
    return reply.status === 428 ? this.call('PUT', path, payload, { 'if-match': '*' }) : reply;
  }

  async call(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    payload?: InjectOptions['payload'],
    headers: Record<string, string> = {},
  ): Promise<Reply> {
    const reply = await this.#app.inject({
      method,
      url: `/api/v1${path}`,
      headers: {
        ...(this.token === undefined ? {} : { authorization: `Bearer ${this.token}` }),
        ...headers,
      },
      ...(payload === undefined ? {} : { payload }),
      ...(this.remoteAddress === undefined ? {} : { remoteAddress: this.remoteAddress }),
    });
    const isJson = /[/+]json/.test(String(reply.headers['content-type'] ?? ''));
    const body: unknown = isJson ? JSON.parse(reply.payload) : undefined;
    return { status: reply.statusCode, headers: { ...reply.headers }, body, text: reply.payload };
  }
}

/** A string field of a JSON body. */
export function field(body: unknown, name: string): string {
  const value = typeof body === 'object' && body !== null ? Reflect.get(body, name) : undefined;
  if (typeof value !== 'string') throw new Error(`the reply has no text field ${name}`);
  return value;
}

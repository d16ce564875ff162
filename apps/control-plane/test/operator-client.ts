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
  token: string | undefined;

  constructor(app: FastifyInstance) {
    this.#app = app;
  }

  static async signedIn(app: FastifyInstance): Promise<OperatorClient> {
    const client = new OperatorClient(app);
    const reply = await client.call('POST', '/sessions', {
      name: 'owner',
      password: OWNER_PASSWORD,
    });
    if (reply.status !== 201)
      throw new Error(`signing in was answered ${reply.status}: ${reply.text}`);
    client.token = field(reply.body, 'token');
    return client;
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
    });
    const isJson = String(reply.headers['content-type'] ?? '').includes('json');
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

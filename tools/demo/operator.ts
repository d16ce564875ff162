import { session } from '@sallyport/contract';
import { HttpsLink } from '@sallyport/tls/https-link';
import { DemoFailure } from './narrator.ts';

/** An operator at the REST API. */
export type Operator = {
  call(method: string, path: string, json?: unknown): Promise<unknown>;
  close(): void;
};

export async function signIn(baseUrl: string, ca: string, password: string): Promise<Operator> {
  const link = new HttpsLink({ baseUrl, ca });
  const ask = async (
    method: string,
    path: string,
    json: unknown,
    headers: Record<string, string>,
  ): Promise<unknown> => {
    const reply = await link.request(method, `/api/v1${path}`, {
      headers,
      ...(json === undefined ? {} : { json }),
    });
    const text = reply.body.toString('utf8');
    if (reply.status >= 300)
      throw new DemoFailure(`${method} ${path} was answered ${reply.status}`);
    return text === '' ? undefined : JSON.parse(text);
  };
  const { token } = session.parse(await ask('POST', '/sessions', { name: 'owner', password }, {}));
  return {
    call: (method, path, json) => ask(method, path, json, { authorization: `Bearer ${token}` }),
    close: () => link.close(),
  };
}

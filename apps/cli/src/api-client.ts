import type { Writable } from 'node:stream';
import { MAX_OFFLINE_BUNDLE_BYTES, page, problem } from '@sallyport/contract';
import { HttpsLink, type LinkReply, type LinkRequest } from '@sallyport/tls/https-link';
import type { z } from 'zod';
import { ApiError, CliError } from './cli-error.ts';
import type { Way } from './environment.ts';

const BASE_PATH = '/api/v1';
const PAGE_SIZE = 200;
/** Room for the largest reply, an exported bundle, in JSON. */
const MAX_BODY_BYTES = MAX_OFFLINE_BUNDLE_BYTES + 64 * 1024;
/** For what reads a whole chain: until its reply begins, and from each piece of it to the next, however long it is in all. */
const DOWNLOAD_MS = 60 * 60_000;

/** A path below `/api/v1` whose every part is encoded: `` route`/groups/${group}/secrets/${name}` ``. */
export function route(literals: TemplateStringsArray, ...parts: string[]): string {
  return String.raw({ raw: literals }, ...parts.map(encodeURIComponent));
}

/** Where a control plane is, and what it is trusted under: PEM certificates, or the public roots when absent. */
export type Peer = { url: string; ca?: string | undefined };

/** Headers that let a write happen only to what was read. */
export type Condition = { 'if-match'?: string; 'if-none-match'?: string };

/**
 * The operator API. Every reply is checked against the contract. Failures are an `ApiError` (the control plane
 * refused), a `LinkError` (no reply), or a CliError `reply.unexpected`.
 */
export class ApiClient implements Disposable {
  readonly #link: HttpsLink;

  /** @throws LinkError `link.plaintext` or `link.bad_url` */
  constructor({ url, ca, tls, route }: Peer & Way, token?: string) {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    this.#link = new HttpsLink({
      baseUrl: url,
      ca,
      tls,
      route,
      headers,
      maxBodyBytes: MAX_BODY_BYTES,
    });
  }

  async get<Schema extends z.ZodType>(path: string, schema: Schema): Promise<z.output<Schema>> {
    return this.#call('GET', path, undefined, schema);
  }

  async post<Schema extends z.ZodType>(
    path: string,
    body: unknown,
    schema: Schema,
  ): Promise<z.output<Schema>> {
    return this.#call('POST', path, body, schema);
  }

  async put<Schema extends z.ZodType>(
    path: string,
    body: unknown,
    schema: Schema,
    condition: Condition = {},
  ): Promise<z.output<Schema>> {
    return this.#call('PUT', path, body, schema, condition);
  }

  async patch<Schema extends z.ZodType>(
    path: string,
    body: unknown,
    schema: Schema,
    condition: Condition = {},
  ): Promise<z.output<Schema>> {
    return this.#call('PATCH', path, body, schema, condition);
  }

  /** The condition under which a write replaces what is there now, or makes it where nothing is. */
  async conditionOf(path: string): Promise<Condition> {
    try {
      const { etag } = (await this.#send('GET', path, undefined)).headers;
      return etag === undefined ? {} : { 'if-match': etag };
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return { 'if-none-match': '*' };
      throw error;
    }
  }

  /** A reply of any size, written as it comes. */
  async download(path: string, into: Writable): Promise<void> {
    await this.#send('GET', path, undefined, { into, timeoutMs: DOWNLOAD_MS });
  }

  /** A reply that may take long to make. */
  async getSlowly<Schema extends z.ZodType>(
    path: string,
    schema: Schema,
  ): Promise<z.output<Schema>> {
    const result = schema.safeParse(
      jsonOf(await this.#send('GET', path, undefined, { timeoutMs: DOWNLOAD_MS })),
    );
    if (!result.success) throw unexpected('GET', path);
    return result.data;
  }

  async delete(path: string, body?: unknown): Promise<void> {
    await this.#send('DELETE', path, body);
  }

  /** A call that is answered without a body. */
  async postNothing(path: string, body?: unknown): Promise<void> {
    await this.#send('POST', path, body);
  }

  /** The same, of a body. */
  async putNothing(path: string, body: unknown): Promise<void> {
    await this.#send('PUT', path, body);
  }

  /** Every item of a list, page after page; `filter` is what else its query says. */
  async list<Item extends z.ZodType>(
    path: string,
    item: Item,
    filter: Readonly<Record<string, string>> = {},
  ): Promise<z.output<Item>[]> {
    const items: z.output<Item>[] = [];
    const cursors = new Set<string>();
    const query = new URLSearchParams({ ...filter, limit: String(PAGE_SIZE) });
    for (;;) {
      const { items: more, nextCursor } = await this.get(`${path}?${query.toString()}`, page(item));
      items.push(...more);
      if (nextCursor === undefined) return items;
      // Else a list that leads back to itself would be followed for ever.
      if (cursors.has(nextCursor)) throw unexpected('GET', path);
      cursors.add(nextCursor);
      query.set('cursor', nextCursor);
    }
  }

  [Symbol.dispose](): void {
    this.#link.close();
  }

  async #call<Schema extends z.ZodType>(
    method: string,
    path: string,
    body: unknown,
    schema: Schema,
    condition: Condition = {},
  ): Promise<z.output<Schema>> {
    const reply = await this.#send(method, path, body, { headers: condition });
    const result = schema.safeParse(jsonOf(reply));
    if (!result.success) throw unexpected(method, path);
    return result.data;
  }

  async #send(
    method: string,
    path: string,
    json: unknown,
    options: LinkRequest = {},
  ): Promise<LinkReply> {
    const reply = await this.#link.request(method, BASE_PATH + path, { json, ...options });
    if (reply.status >= 200 && reply.status < 300) return reply;
    const refusal = problem.safeParse(jsonOf(reply));
    throw refusal.success
      ? new ApiError(refusal.data, path)
      : unexpected(method, path, reply.status);
  }
}

function jsonOf(reply: LinkReply): unknown {
  try {
    return JSON.parse(reply.body.toString('utf8'));
  } catch {
    // Not the parser's error: it quotes the text.
    return undefined;
  }
}

function unexpected(method: string, path: string, status?: number): CliError {
  const what = status === undefined ? 'a reply' : `status ${status}`;
  const [withoutQuery] = path.split('?');
  return new CliError(
    'reply.unexpected',
    `${method} ${withoutQuery} brought ${what} that this version does not understand: check the URL, and that the control plane is of the same version`,
  );
}

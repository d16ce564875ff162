import { once } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { Issuer } from '@sallyport/tls/test/issuer';

/** A request, as it came. `client` is the common name of the certificate that was shown, `protocol` the version of TLS. */
export type Asked = {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  body: string;
  client: string | undefined;
  protocol: string | null;
};

export type Answer = {
  status: number;
  json?: unknown;
  /** In place of JSON. */
  text?: string;
  headers?: Record<string, string>;
  /** What the answer takes. */
  afterMs?: number;
};

/** `hang`: no answer until the peer stops. */
type Fault = Answer | 'hang';

/** A name that it has too, which the tests' proxies alone resolve. */
export const BEHIND_PROXY = 'provider.invalid';

/** A real HTTPS server that speaks some API, with a queue of faults that come first. */
export class Peer implements AsyncDisposable {
  readonly asked: Asked[] = [];
  readonly url: string;
  readonly issuer: Issuer;
  readonly #server: Server;
  readonly #faults: Fault[] = [];
  #everyFault: Fault | undefined;

  private constructor(server: Server, issuer: Issuer) {
    this.#server = server;
    this.issuer = issuer;
    this.url = `https://localhost:${portOf(server)}`;
  }

  /** With a CA of its own, or one that is given. */
  static async start(api: (asked: Asked) => Answer, given?: Issuer): Promise<Peer> {
    const issuer = given ?? (await Issuer.root('CN=Peer root'));
    const names = ['localhost', BEHIND_PROXY].map((value) => ({ type: 'dns' as const, value }));
    const { chain, key } = await issuer.leaf({ names });
    const server = createServer({
      cert: chain,
      key,
      ca: issuer.pem,
      requestCert: true,
      rejectUnauthorized: false,
    });
    await once(server.listen(0, 'localhost'), 'listening');
    const peer = new Peer(server, issuer);
    server.on('request', (request, response) => void peer.#answer(api, request, response));
    return peer;
  }

  async #answer(
    api: (asked: Asked) => Answer,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', this.url);
    const asked = {
      method: request.method ?? '',
      path: pathname,
      query: searchParams,
      headers: request.headers,
      body: await text(request),
      client: clientOf(request.socket),
      protocol: request.socket instanceof TLSSocket ? request.socket.getProtocol() : null,
    };
    this.asked.push(asked);
    const fault = this.#faults.shift() ?? this.#everyFault;
    if (fault === 'hang') return;
    const { status, json = {}, text: answered, headers = {}, afterMs } = fault ?? api(asked);
    if (afterMs !== undefined) await sleep(afterMs);
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(answered ?? JSON.stringify(json));
  }

  get ca(): string {
    return this.issuer.rootPem;
  }

  /** The next requests are answered so. */
  failNext(...faults: Fault[]): void {
    this.#faults.push(...faults);
  }

  /** Every request is answered so, until it is told otherwise. */
  failAll(fault: Fault | undefined): void {
    this.#everyFault = fault;
  }

  /** The requests whose path begins so. */
  askedFor(path: string): Asked[] {
    return this.asked.filter((each) => each.path.startsWith(path));
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('not listening');
  return address.port;
}

function clientOf(socket: unknown): string | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const { CN } = socket.getPeerCertificate().subject;
  return typeof CN === 'string' ? CN : undefined;
}

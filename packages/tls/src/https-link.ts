import type { OutgoingHttpHeaders } from 'node:http';
import { Agent } from 'node:https';
import { isIPv6 } from 'node:net';
import type { Writable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { closeIdle } from './close-idle.ts';
import { controlPlaneIdentity } from './control-plane-identity.ts';
import { type Endpoint, parseEndpoint } from './endpoint.ts';
import { aborted, exchange, type LinkReply, StaleConnectionError } from './exchange.ts';
import { certificateFingerprint } from './fingerprint.ts';
import { LinkError, type LinkErrorCode } from './link-error.ts';
import { negotiatedOn } from './negotiated.ts';
import { plainAddress } from './plain-address.ts';
import type { TlsPolicy } from './policy.ts';
import { detourTo, openSocket, type Route } from './route.ts';
import { RoutedAgent } from './routed-agent.ts';
import { secureContextFor, type ClientIdentity } from './secure-context.ts';

export { LinkError, type LinkErrorCode, type LinkReply };

export type LinkOptions = {
  /** `https://host[:port][/prefix]`. */
  baseUrl: string;
  /** PEM certificates to trust; absent means the public roots of the runtime and the system. */
  ca?: string | undefined;
  /**
   * Name that the peer's certificate must have, in place of the host of `baseUrl`: a URI, a host name, an IP address,
   * or `key:` and the SHA-256 of its public key (SubjectPublicKeyInfo) in base64url.
   */
  peerName?: string | undefined;
  /** What this side shows when the peer asks for a certificate; absent means nothing. */
  identity?: ClientIdentity | undefined;
  /** What may be negotiated; `defaultTlsPolicy` by default. */
  tls?: TlsPolicy | undefined;
  /** Through which proxy, and to which address; absent means directly. */
  route?: Route | undefined;
  /** The connections that the peer opens; none is opened here then, and `ca`, `tls` and `route` do not count. */
  accepted?: Agent | undefined;
  /** From the call to the first 16 KiB of the reply, and from each 16 to the next or to the end; default 30 seconds. */
  timeoutMs?: number | undefined;
  /**
   * For the TCP connection and the TLS handshake, within `timeoutMs`; default 10 seconds. As much again
   * beforehand for the tunnel through a proxy.
   */
  connectTimeoutMs?: number | undefined;
  /** Default 16 MiB. */
  maxBodyBytes?: number | undefined;
  /** Sent with every request. */
  headers?: Readonly<Record<string, string>> | undefined;
};

export type LinkRequest = {
  headers?: Readonly<Record<string, string>> | undefined;
  json?: unknown;
  /** A body in place of `json`, of the content type that `headers` name. */
  text?: string | undefined;
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
  /** Takes the body of a reply that succeeds, of any size, and is not ended; the reply's own body is empty then. */
  into?: Writable | undefined;
  /** Sending the request twice does no harm; by default so for the methods of RFC 9110, section 9.2.2. */
  idempotent?: boolean | undefined;
};

export type TlsParameters = {
  protocol: string;
  /** By its IANA name. */
  cipher: string;
  group?: string;
  peerFingerprint: string;
  /** Address and port at which the connection ends: the peer’s, or those of a proxy on the way. */
  peerAddress?: string;
};

const IDEMPOTENT_METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'PUT',
  'DELETE',
]);

/** A resumed session shows no certificate, so its fingerprint is that of the handshake it stems from. */
function parametersOf(socket: TLSSocket, earlier: TlsParameters | undefined): TlsParameters {
  const { protocol, cipher, group } = negotiatedOn(socket);
  const certificate = socket.getPeerX509Certificate();
  const { remoteAddress, remotePort: port } = socket;
  const host = remoteAddress === undefined ? undefined : plainAddress(remoteAddress);
  return {
    protocol,
    cipher,
    ...(group === null ? {} : { group }),
    ...(host === undefined
      ? {}
      : { peerAddress: isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}` }),
    peerFingerprint: certificate
      ? certificateFingerprint(certificate)
      : (earlier?.peerFingerprint ?? ''),
  };
}

/**
 * One peer reached over HTTPS, with kept-alive connections and resumed TLS sessions. Redirects are not
 * followed. Every failure to get a reply is a `LinkError`; a reply of any status is none. The constructor
 * throws one for a URL that is not `https://`.
 */
export class HttpsLink {
  readonly #endpoint: Endpoint;
  readonly #options: LinkOptions;
  #agent: Agent;
  #tlsParameters: TlsParameters | undefined;
  readonly #closing = new AbortController();

  constructor(options: LinkOptions) {
    this.#endpoint = parseEndpoint(options.baseUrl);
    this.#options = options;
    this.#agent = this.#agentFor(options);
  }

  /**
   * Trusts and shows other certificates from the next connection on. What is under way goes on over the
   * connection it has, which is closed after that.
   */
  replace({ ca, identity }: Pick<LinkOptions, 'ca' | 'identity'>): void {
    if (this.#closed || this.#options.accepted !== undefined) return;
    const before = this.#agent;
    this.#agent = this.#agentFor({ ca, identity });
    before.maxFreeSockets = 0;
    closeIdle(before);
  }

  #agentFor({ ca, identity }: Pick<LinkOptions, 'ca' | 'identity'>): Agent {
    const { peerName, tls, route, accepted } = this.#options;
    if (accepted !== undefined) return accepted;
    const agentOptions = {
      keepAlive: true,
      // Node's default of one second would put a probe a second on every waiting link.
      keepAliveMsecs: 30_000,
      secureContext: secureContextFor(ca, tls, identity),
      // Else Node takes it from the Host header, which a caller may set.
      servername: this.#endpoint.servername,
      checkServerIdentity: controlPlaneIdentity(peerName),
    };
    const detour = detourTo(this.#endpoint, route);
    return detour
      ? new RoutedAgent(agentOptions, (signal) =>
          openSocket(detour, this.#endpoint, { timeoutMs: this.#connectTimeoutMs, signal }),
        )
      : new Agent(agentOptions);
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted;
  }

  get #connectTimeoutMs(): number {
    return this.#options.connectTimeoutMs ?? 10_000;
  }

  /**
   * Sends one request; `path` starts with a slash and goes below the base URL. An idempotent request is
   * sent once more when the peer had closed the kept-alive connection and nothing of a reply had come.
   */
  async request(method: string, path: string, request: LinkRequest = {}): Promise<LinkReply> {
    const timeoutMs = request.timeoutMs ?? this.#options.timeoutMs ?? 30_000;
    const startedAt = performance.now();
    try {
      return await this.#send(method, path, request, timeoutMs);
    } catch (error) {
      const repeatable = request.idempotent ?? IDEMPOTENT_METHODS.has(method);
      if (!(error instanceof StaleConnectionError) || !repeatable || this.#closed) throw error;
      // Which has most likely closed the others too.
      closeIdle(this.#agent);
      return await this.#send(method, path, request, timeoutMs - (performance.now() - startedAt));
    }
  }

  async #send(
    method: string,
    path: string,
    request: LinkRequest,
    timeoutMs: number,
  ): Promise<LinkReply> {
    const endpoint = this.#endpoint;
    if (this.#closed) throw aborted(endpoint.origin);
    const headers: OutgoingHttpHeaders = { ...this.#options.headers, ...request.headers };
    const hasBody = request.json !== undefined;
    if (hasBody) headers['content-type'] ??= 'application/json';
    try {
      return await exchange({
        agent: this.#agent,
        endpoint,
        method,
        path: endpoint.prefix + path,
        headers,
        body: hasBody ? JSON.stringify(request.json) : request.text,
        // Those that are under way may be over other agents than the newest.
        signal: AbortSignal.any([
          this.#closing.signal,
          ...(request.signal ? [request.signal] : []),
        ]),
        timeoutMs,
        connectTimeoutMs: this.#connectTimeoutMs,
        into: request.into,
        maxBodyBytes: this.#options.maxBodyBytes ?? 16 * 1024 * 1024,
        onConnected: (socket) => {
          this.#tlsParameters = parametersOf(socket, this.#tlsParameters);
        },
      });
    } catch (error) {
      throw this.#closed ? aborted(endpoint.origin) : error;
    }
  }

  /** Of the newest connection; undefined before the first. */
  tlsParameters(): TlsParameters | undefined {
    return this.#tlsParameters;
  }

  /** Ends every connection; what is under way fails with `link.aborted`, and so does every later request. */
  close(): void {
    this.#closing.abort();
    this.#agent.destroy();
  }
}

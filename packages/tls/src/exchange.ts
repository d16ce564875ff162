import type { X509Certificate } from 'node:crypto';
import type {
  ClientRequest,
  IncomingHttpHeaders,
  IncomingMessage,
  OutgoingHttpHeaders,
} from 'node:http';
import { type Agent, request as httpsRequest } from 'node:https';
import type { Writable } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { connectionFailure } from './connection-failure.ts';
import type { Endpoint } from './endpoint.ts';
import { LinkError } from './link-error.ts';
import { rememberChain } from './presented-chain.ts';

export type LinkReply = {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** How long the body took to come after the head; absent: no time. */
  bodyMs?: number;
};

export type ExchangeOptions = {
  agent: Agent;
  endpoint: Endpoint;
  method: string;
  path: string;
  headers: OutgoingHttpHeaders;
  body: string | undefined;
  signal: AbortSignal | undefined;
  timeoutMs: number;
  connectTimeoutMs: number;
  maxBodyBytes: number;
  /** Takes the body of a reply that succeeds, as fast as it can; the reply's own body is empty then. */
  into?: Writable | undefined;
  onConnected: (socket: TLSSocket) => void;
};

/** A kept-alive connection that the peer had closed by the time it was used again, with nothing received. */
export class StaleConnectionError extends LinkError {}

function timedOut(origin: string, what: string, milliseconds: number): LinkError {
  return new LinkError(
    'link.timeout',
    `${origin} ${what} within ${milliseconds} ms; check the network, or allow more time.`,
    { retryable: true },
  );
}

function tooLarge(origin: string, maxBodyBytes: number): LinkError {
  return new LinkError(
    'link.body_too_large',
    `${origin} sent more than ${maxBodyBytes} bytes; check that it is the right server, or raise the limit.`,
    { retryable: false },
  );
}

function otherProtocol(origin: string): LinkError {
  return new LinkError(
    'link.protocol',
    `${origin} answered that it speaks another protocol from now on, which nobody asked for; check the address.`,
    { retryable: false },
  );
}

/** The error of a request that its caller gave up. */
export function aborted(origin: string): LinkError {
  return new LinkError('link.aborted', `The request to ${origin} was given up by this program.`, {
    retryable: false,
  });
}

function collect(
  response: IncomingMessage,
  { endpoint: { origin }, maxBodyBytes, into }: ExchangeOptions,
  done: (body: Buffer) => void,
  fail: (error: LinkError) => void,
): void {
  const { statusCode = 0 } = response;
  if (into !== undefined && statusCode >= 200 && statusCode < 300) {
    response.on('end', () => done(Buffer.alloc(0)));
    for (const end of [response, into])
      end.on('error', (error: Error) => fail(connectionFailure(error, origin)));
    response.pipe(into, { end: false });
    return;
  }
  if (Number(response.headers['content-length'] ?? 0) > maxBodyBytes) {
    fail(tooLarge(origin, maxBodyBytes));
    return;
  }
  const chunks: Buffer[] = [];
  let length = 0;
  response.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > maxBodyBytes) fail(tooLarge(origin, maxBodyBytes));
    else chunks.push(chunk);
  });
  response.on('end', () => done(Buffer.concat(chunks, length)));
  response.on('error', (error) => fail(connectionFailure(error, origin)));
}

/** Less than this is no progress: a peer that sends byte by byte would be waited for all day. */
const PROGRESS_BYTES = 16 * 1024;

/** A line that is slow is not dead: the time counts anew from each piece of the reply on. */
function countAnew(timer: NodeJS.Timeout, response: IncomingMessage): void {
  let length = 0;
  response.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length < PROGRESS_BYTES) return;
    length = 0;
    timer.refresh();
  });
}

type Watch = { stop: () => void; chain: () => X509Certificate[] };

/** Gives up a request whose new connection is not ready in time. */
function watchConnecting(
  request: ClientRequest,
  { endpoint, connectTimeoutMs, onConnected }: ExchangeOptions,
  fail: (error: LinkError) => void,
): Watch {
  let timer: NodeJS.Timeout | undefined;
  let chain: () => X509Certificate[] = () => [];
  request.on('socket', (socket) => {
    if (request.reusedSocket || !(socket instanceof TLSSocket)) return;
    // A connection that the peer opened was verified before it came here.
    if (socket.authorized) {
      // If it broke just now there is nothing left to know of it; the request fails with it.
      if (!socket.destroyed) onConnected(socket);
      return;
    }
    chain = rememberChain(socket);
    timer = setTimeout(
      () => fail(timedOut(endpoint.origin, 'did not accept a connection', connectTimeoutMs)),
      connectTimeoutMs,
    );
    socket.once('secureConnect', () => {
      clearTimeout(timer);
      onConnected(socket);
    });
  });
  return { stop: () => clearTimeout(timer), chain: () => chain() };
}

/** One request and its reply over the agent's connections. Rejects with a `LinkError`. */
export function exchange(options: ExchangeOptions): Promise<LinkReply> {
  const { agent, endpoint, method, path, headers, signal, timeoutMs } = options;
  const { origin, host, port } = endpoint;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(aborted(origin));
      return;
    }
    const request = httpsRequest({ agent, host, port, method, path, headers });
    let answered = false;
    const settle = (): void => {
      clearTimeout(timer);
      watch.stop();
      signal?.removeEventListener('abort', onAbort);
    };
    const fail = (error: LinkError): void => {
      settle();
      reject(error);
      request.destroy();
    };
    const onAbort = (): void => fail(aborted(origin));
    const timer = setTimeout(
      () => fail(timedOut(origin, 'did not answer', timeoutMs)),
      Math.max(0, timeoutMs),
    );
    const watch = watchConnecting(request, options, fail);
    signal?.addEventListener('abort', onAbort, { once: true });
    request.on('response', (response) => {
      answered = true;
      const answeredAt = performance.now();
      const { statusCode: status = 0, headers: received } = response;
      const succeed = (body: Buffer): void => {
        settle();
        resolve({ status, headers: received, body, bodyMs: performance.now() - answeredAt });
      };
      countAnew(timer, response);
      collect(response, options, succeed, fail);
    });
    // Asked for by nobody. Without a listener Node would hang up, and tell nothing.
    request.on('upgrade', (_response, socket) => {
      socket.destroy();
      fail(otherProtocol(origin));
    });
    request.on('error', (error) => {
      const failure =
        error instanceof LinkError ? error : connectionFailure(error, origin, watch.chain());
      const stale = request.reusedSocket && !answered && failure.code === 'link.reset';
      fail(stale ? new StaleConnectionError(failure.code, failure.message, failure) : failure);
    });
    // Node tells the length of a body of its own accord, but not with DELETE.
    if (options.body !== undefined)
      request.setHeader('content-length', Buffer.byteLength(options.body));
    request.end(options.body);
  });
}

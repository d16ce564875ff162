import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { AgentError, framesOf, internalError } from '../agent-error.ts';
import type { Log } from '../log.ts';
import { listenOnSocket, stopListening, type ClaimedSocket } from './claim-socket.ts';
import { describeHealth, type HealthParts } from './health.ts';
import { sendProblem } from './problem-reply.ts';
import {
  certificates,
  certificatesInPem,
  configs,
  secrets,
  sendList,
  sendValue,
} from './values.ts';
import { WatchHub } from './watch.ts';

const limits = {
  maxHeaderSize: 8 * 1024,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 60_000,
  /** Else silent connections are looked for twice a minute only, and can fill the server until then. */
  connectionsCheckingInterval: 1_000,
};
const MAX_CONNECTIONS = 512;
/** A reader may take nothing of its reply for this long, and up to twice as long: Node looks this often. */
const UNREAD_TIMEOUT_MS = 5_000;
/** Replies that wait for their readers may hold this much memory together, and one reply more. */
const MAX_UNREAD_BYTES = 16 * 1024 * 1024;

export type LocalApiParts = HealthParts & {
  socket: string;
  socketMode: number;
  log: Log;
  unreadTimeoutMs?: number;
};

/** What applications talk to: HTTP on a unix socket, whose file permissions say who may ask. */
export class LocalApi {
  readonly #parts: LocalApiParts;
  readonly #server: Server;
  readonly #watch: WatchHub;
  readonly #answering = new WeakSet<Socket>();
  #unreadBytes = 0;
  #socket: ClaimedSocket | undefined;

  private constructor(parts: LocalApiParts) {
    this.#parts = parts;
    this.#watch = new WatchHub(parts.agent);
    this.#server = createServer(limits, (request, response) =>
      this.#answerInTurn(request, response),
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** @throws AgentError of `listenOnSocket` */
  static async listen(parts: LocalApiParts): Promise<LocalApi> {
    const api = new LocalApi(parts);
    try {
      api.#socket = await listenOnSocket(api.#server, parts.socket, parts.socketMode);
    } catch (error) {
      api.#watch.close();
      throw error;
    }
    return api;
  }

  /** Ends the streams of all watchers after telling them that the agent was revoked. */
  revoke(): void {
    this.#watch.revoke();
  }

  /** Stops listening, which removes the socket, and ends every connection. */
  async close(): Promise<void> {
    this.#watch.close();
    const closed = once(this.#server, 'close');
    if (this.#socket !== undefined) stopListening(this.#server, this.#socket);
    this.#server.closeAllConnections();
    await closed;
  }

  /** A connection carries one request at a time: else it could ask for any number of replies and read none. */
  #answerInTurn(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    if (this.#answering.has(socket)) return void socket.destroy();
    this.#answering.add(socket);
    response.once('close', () => this.#answering.delete(socket));
    this.#answer(request, response);
    // A stream that goes on is for the watch hub to bound: a quiet watcher has read all there is.
    const unread = response.writableEnded ? response.writableLength : 0;
    if (unread > 0) this.#awaitReader(response, socket, unread);
  }

  /** What the system took at once is no concern of the agent; the rest is in its memory until it is read. */
  #awaitReader(response: ServerResponse, socket: Socket, bytes: number): void {
    this.#unreadBytes += bytes;
    response.once('close', () => (this.#unreadBytes -= bytes));
    // Node counts it anew when bytes have gone, and replaces it once the reply is read.
    socket.setTimeout(this.#parts.unreadTimeoutMs ?? UNREAD_TIMEOUT_MS);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const requestId = requestIdOf(request);
    response.setHeader('x-request-id', requestId);
    try {
      this.#route(request, response);
    } catch (error) {
      const fault = error instanceof AgentError ? error : internalError(error);
      if (fault.code === 'agent.internal') {
        this.#parts.log.error(
          { code: fault.code, requestId, stack: framesOf(fault) },
          fault.message,
        );
      }
      sendProblem(response, fault, requestId);
    }
  }

  #route(request: IncomingMessage, response: ServerResponse): void {
    const { agent } = this.#parts;
    const { method, url = '' } = request;
    if (method !== 'GET')
      throw new AgentError('request.method_not_allowed', 'the agent’s local API only reads', {
        advice: 'use GET',
      });
    if (url.includes('?')) throw new AgentError('request.invalid', 'the path takes no query');
    if (url === '/healthz') return this.#sendHealth(response);
    if (this.#unreadBytes > MAX_UNREAD_BYTES)
      throw new AgentError(
        'agent.busy',
        'too many replies wait for programs that do not read them',
        {
          advice: 'try again in a few seconds',
        },
      );
    if (url.startsWith('/v1/secrets/'))
      return sendValue(agent, secrets, nameIn(url, '/v1/secrets/'), request, response);
    if (url.startsWith('/v1/config/'))
      return sendValue(agent, configs, nameIn(url, '/v1/config/'), request, response);
    if (url.startsWith('/v1/certificates/')) {
      const form = asksForPem(request) ? certificatesInPem : certificates;
      return sendValue(agent, form, nameIn(url, '/v1/certificates/'), request, response);
    }
    if (url === '/v1/secrets') return sendList(agent, secrets, response);
    if (url === '/v1/config') return sendList(agent, configs, response);
    if (url === '/v1/certificates') return sendList(agent, certificates, response);
    if (url === '/v1/watch') return this.#watch.add(response);
    throw new AgentError('request.not_found', 'there is nothing at this path', {
      advice: 'see /v1/secrets, /v1/config, /v1/certificates, /v1/watch and /healthz',
    });
  }

  #sendHealth(response: ServerResponse): void {
    const health = describeHealth(this.#parts);
    const serves = health.status === 'ready' || health.status === 'stale';
    const body = Buffer.from(JSON.stringify(health));
    const headers = {
      'content-type': 'application/json',
      'content-length': body.byteLength,
      'cache-control': 'no-store',
    };
    response.writeHead(serves ? 200 : 503, headers).end(body);
  }
}

function asksForPem({ headers }: IncomingMessage): boolean {
  return /(^|[\s,])application\/x-pem-file\b/i.test(headers.accept ?? '');
}

/** A name's slashes may come raw or as %2F. */
function nameIn(url: string, prefix: string): string {
  try {
    return decodeURIComponent(url.slice(prefix.length));
  } catch (error) {
    throw new AgentError('request.invalid', 'the path is not valid percent-encoding', {
      cause: error,
    });
  }
}

function requestIdOf({ headers }: IncomingMessage): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID();
}

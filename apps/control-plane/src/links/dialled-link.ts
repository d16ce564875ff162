import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { MAX_CONNECTIONS } from '@sallyport/tls/accepted-pool';
import { LinkError } from '@sallyport/tls/https-link';

/** As many connections wait for the agent to use them, so that none of its requests waits for a handshake. */
const SPARE_CONNECTIONS = 3;
/** An agent that hangs up sooner than this, and has asked nothing, did not want the connection. */
const TURNED_AWAY_WITHIN_MS = 5_000;
const FIRST_BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 5_000;
/** Between the end of a connection that was used and the next. */
const AGAIN_MS = 100;

export type DialledLinkParts = {
  dial: (signal: AbortSignal) => Promise<TLSSocket>;
  /** Gives a connection to the agent API, whose it is from now on. */
  serve: (socket: TLSSocket) => void;
  random: () => number;
  /** Told when the first connection is used, and when the last that was is gone. */
  onConnected: (connected: boolean) => void;
  onFailed: (error: LinkError) => void;
  /** Told of what is no fault of the link, and which has it tried again all the same. */
  onDefect: (error: unknown) => void;
};

type Connection = { since: number; standing: 'unused' | 'idle' | 'busy' };

/** Keeps a few connections to one agent open, which the agent asks over, and opens more while they are in use. */
export class DialledLink {
  readonly #parts: DialledLinkParts;
  readonly #connections = new Map<Socket, Connection>();
  readonly #closing = new AbortController();
  #dialling = 0;
  #failures = 0;
  #pause: NodeJS.Timeout | undefined;
  #connected = false;
  /** Whether the agent has asked anything since it was last without any connection. */
  #used = false;

  constructor(parts: DialledLinkParts) {
    this.#parts = parts;
  }

  /** Begins after a while, so that many links do not all begin at once. */
  start(afterMs = 0): void {
    this.#pauseFor(afterMs);
  }

  /** Ends all connections, also those that are in use. */
  close(): void {
    this.#closing.abort();
    clearTimeout(this.#pause);
    for (const socket of this.#connections.keys()) socket.destroy();
  }

  /** A request came over one of the connections. */
  asked(socket: Socket, response: ServerResponse): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined) return;
    connection.standing = 'busy';
    this.#used = true;
    this.#failures = 0;
    this.#tell();
    this.#fill();
    response.once('close', () => {
      connection.standing = 'idle';
    });
  }

  #fill(): void {
    if (this.#closing.signal.aborted || this.#pause !== undefined) return;
    const unused = [...this.#connections.values()].filter(({ standing }) => standing !== 'busy');
    // Where nothing works, one attempt tells as much as three.
    const isBroken = this.#failures > 0 && this.#connections.size === 0;
    const wanted = isBroken ? 1 : SPARE_CONNECTIONS;
    const missing = wanted - unused.length - this.#dialling;
    const room = MAX_CONNECTIONS - this.#connections.size - this.#dialling;
    for (let more = Math.min(missing, room); more > 0; more -= 1) void this.#dial();
  }

  async #dial(): Promise<void> {
    this.#dialling += 1;
    try {
      const socket = await this.#parts.dial(this.#closing.signal);
      this.#dialling -= 1;
      this.#keep(socket);
    } catch (error) {
      this.#dialling -= 1;
      if (!(error instanceof LinkError)) this.#parts.onDefect(error);
      this.#failed(error instanceof LinkError ? error : notBegun());
    }
  }

  #keep(socket: TLSSocket): void {
    if (this.#closing.signal.aborted) {
      socket.destroy();
      return;
    }
    if (this.#connections.size === 0) this.#used = false;
    const connection: Connection = { since: performance.now(), standing: 'unused' };
    this.#connections.set(socket, connection);
    socket.once('close', () => this.#ended(socket, connection));
    // Only now: from its first moment there, a connection has so long to send the headers of a request.
    socket.once('readable', () => {
      if (socket.readableLength > 0) this.#parts.serve(socket);
      else socket.destroy();
    });
  }

  #ended(socket: TLSSocket, { since }: Connection): void {
    this.#connections.delete(socket);
    this.#tell();
    if (this.#closing.signal.aborted) return;
    const turnedAway = !this.#used && performance.now() - since < TURNED_AWAY_WITHIN_MS;
    if (turnedAway) this.#failed(refusedByAgent());
    else this.#pauseFor(AGAIN_MS);
  }

  #failed(error: LinkError): void {
    if (this.#closing.signal.aborted) return;
    // Those that were dialled together fail together, and count once.
    if (this.#pause === undefined || this.#failures === 0) this.#failures += 1;
    this.#parts.onFailed(error);
    const most = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (this.#failures - 1));
    this.#pauseFor(most);
  }

  /** Dials again between half of that time and all of it; what is dialled meanwhile waits for it too. */
  #pauseFor(mostMs: number): void {
    this.#pause ??= setTimeout(
      () => {
        this.#pause = undefined;
        this.#fill();
      },
      (mostMs * (1 + this.#parts.random())) / 2,
    );
  }

  #tell(): void {
    const connected = [...this.#connections.values()].some(({ standing }) => standing !== 'unused');
    if (connected === this.#connected) return;
    this.#connected = connected;
    this.#parts.onConnected(connected);
  }
}

function notBegun(): LinkError {
  return new LinkError(
    'link.not_begun',
    'The control plane could not begin to connect; its log says why.',
    { retryable: true },
  );
}

function refusedByAgent(): LinkError {
  return new LinkError(
    'link.turned_away',
    'The agent closed the connection at once: its log says why. It may not trust the CA of this control plane’s certificate, or expect another name in it.',
    { retryable: false },
  );
}

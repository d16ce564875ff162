import type { RequestOptions } from 'node:http';
import { Agent } from 'node:https';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { closeIdle } from './close-idle.ts';
import { LinkError } from './link-error.ts';

/** As many as a peer opens at most, see `KEPT_CONNECTIONS`; more requests than that wait for one another. */
export const MAX_CONNECTIONS = 6;
/** Connections of before a peer's restart may still stand beside the new ones. */
const MAX_OPEN = 2 * MAX_CONNECTIONS;

type Waiter = { take: (socket: TLSSocket) => void; fail: (error: LinkError) => void };

/** Sends requests over connections that were accepted and verified, each kept alive as an agent keeps its own. */
export class AcceptedPool extends Agent {
  readonly #waitMs: number;
  readonly #fresh: TLSSocket[] = [];
  readonly #waiting = new Set<Waiter>();
  #open = 0;
  #ended = false;
  #arrived = Promise.withResolvers<void>();

  /** A request waits so long for a connection. */
  constructor(waitMs: number) {
    super({ keepAlive: true, keepAliveMsecs: 30_000, maxSockets: MAX_CONNECTIONS });
    this.#waitMs = waitMs;
  }

  /** Resolves once there is, or was, a connection. */
  get arrived(): Promise<void> {
    return this.#arrived.promise;
  }

  /** Takes over a connection; too many make it drop the one that has waited longest unused, or this one. */
  add(socket: TLSSocket): void {
    socket.on('error', () => {});
    if (this.#ended) socket.destroy();
    else if (this.#open >= MAX_OPEN) (this.#fresh.shift() ?? socket).destroy();
    if (socket.destroyed) return;
    this.#open += 1;
    socket.once('close', () => this.#closed(socket));
    this.#arrived.resolve();
    const [waiter] = this.#waiting;
    if (waiter === undefined) this.#fresh.push(socket);
    else waiter.take(socket);
  }

  override createConnection(
    _options: RequestOptions,
    opened: (error: Error | null, stream: Duplex) => void = () => {},
  ): undefined {
    const fresh = this.#takeFresh();
    if (fresh === undefined) this.#wait(opened);
    else opened(null, fresh);
  }

  /** The newest: what lies between the two hosts may have forgotten an old one. One that broke just now is still among them. */
  #takeFresh(): TLSSocket | undefined {
    let fresh = this.#fresh.pop();
    while (fresh?.destroyed === true) fresh = this.#fresh.pop();
    return fresh;
  }

  #wait(opened: (error: Error | null, stream: Duplex) => void): void {
    const done = (): void => {
      clearTimeout(timer);
      this.#waiting.delete(waiter);
    };
    const waiter: Waiter = {
      take: (socket) => {
        done();
        opened(null, socket);
      },
      fail: (error) => {
        done();
        // The type asks for a stream beside an error too; Node looks at the error alone.
        opened(error, new Socket());
      },
    };
    const timer = setTimeout(() => waiter.fail(notDialled(this.#waitMs)), this.#waitMs);
    this.#waiting.add(waiter);
  }

  #closed(socket: TLSSocket): void {
    this.#open -= 1;
    const at = this.#fresh.indexOf(socket);
    if (at !== -1) this.#fresh.splice(at, 1);
  }

  /** Ends the connections that carry no request, and each other with its reply. */
  retire(): void {
    for (const socket of this.#fresh.splice(0)) socket.destroy();
    closeIdle(this);
    // Before Node's own listener, which hands the connection to the next request.
    for (const socket of Object.values(this.sockets).flatMap((sockets) => sockets ?? []))
      socket.prependListener('free', () => socket.destroy());
  }

  /** Ends every connection, and what waits for one. */
  override destroy(): void {
    this.#ended = true;
    for (const socket of this.#fresh.splice(0)) socket.destroy();
    const ended = new LinkError('link.aborted', 'This program no longer waits for connections.', {
      retryable: false,
    });
    for (const waiter of [...this.#waiting]) waiter.fail(ended);
    super.destroy();
  }
}

function notDialled(waitMs: number): LinkError {
  return new LinkError(
    'link.not_dialled',
    `The control plane has not connected to this agent within ${waitMs} ms; see there what its link says, and check the firewall between the two hosts.`,
    { retryable: true },
  );
}

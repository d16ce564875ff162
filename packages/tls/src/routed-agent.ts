import type { RequestOptions } from 'node:http';
import { Agent, type AgentOptions } from 'node:https';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** An agent whose TLS connections run over those that `open` makes. */
export class RoutedAgent extends Agent {
  readonly #open: (signal: AbortSignal) => Promise<Socket>;
  readonly #closing = new AbortController();

  constructor(options: AgentOptions, open: (signal: AbortSignal) => Promise<Socket>) {
    super(options);
    this.#open = open;
  }

  override createConnection(
    options: RequestOptions,
    opened: (error: Error | null, stream: Duplex) => void = () => {},
  ): undefined {
    // The type asks for a stream beside an error too; Node looks at the error alone.
    const none = new Socket();
    this.#open(this.#closing.signal)
      .then((socket) => super.createConnection(Object.assign(options, { socket })))
      .then(
        (secure) => opened(null, secure ?? none),
        (error: unknown) =>
          opened(Error.isError(error) ? error : new Error('not connected', { cause: error }), none),
      );
  }

  /** Ends also what is being opened. */
  override destroy(): void {
    this.#closing.abort();
    super.destroy();
  }
}

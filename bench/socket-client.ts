import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const END_OF_HEADERS = '\r\n\r\n';

/** One connection to a unix socket that asks for one thing again and again: what it costs itself counts little. */
export class SocketClient {
  readonly #socket: Socket;
  readonly #request: Buffer;
  #received: Buffer = Buffer.alloc(0);
  #answered: ((reply: { status: number; body: string }) => void) | undefined;

  private constructor(socket: Socket, path: string) {
    this.#socket = socket;
    this.#request = Buffer.from(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
  }

  static async open(socketPath: string, path: string): Promise<SocketClient> {
    const socket = connect(socketPath);
    await once(socket, 'connect');
    return new SocketClient(socket, path);
  }

  async ask(): Promise<{ status: number; body: string }> {
    const { promise, resolve } = Promise.withResolvers<{ status: number; body: string }>();
    this.#answered = resolve;
    this.#socket.write(this.#request);
    return promise;
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#received =
      this.#received.byteLength === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const end = this.#received.indexOf(END_OF_HEADERS);
    if (end < 0) return;
    const headers = this.#received.toString('latin1', 0, end);
    const length = Number(/^content-length: (\d+)$/im.exec(headers)?.[1] ?? 0);
    const begin = end + END_OF_HEADERS.length;
    if (this.#received.byteLength < begin + length) return;
    const body = this.#received.toString('utf8', begin, begin + length);
    this.#received = Buffer.alloc(0);
    this.#answered?.({ status: Number(headers.slice(9, 12)), body });
  }
}

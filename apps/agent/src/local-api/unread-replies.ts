import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** A reader may take nothing of its reply for this long, and up to twice as long: Node looks this often. */
const UNREAD_TIMEOUT_MS = 5_000;

/** Bounds what programs asked for and do not read, at one listener: those at another are not held up by it. */
export class UnreadReplies {
  readonly #atMostBytes: number;
  readonly #timeoutMs: number;
  #bytes = 0;

  /** Replies that wait for their readers may hold so much memory together, and one reply more. */
  constructor(atMostBytes: number, timeoutMs = UNREAD_TIMEOUT_MS) {
    this.#atMostBytes = atMostBytes;
    this.#timeoutMs = timeoutMs;
  }

  /** Whether there is no room for another reply until some of them are read or cut off. */
  get areFull(): boolean {
    return this.#bytes > this.#atMostBytes;
  }

  /** What the system took at once is no concern of the agent; the rest is in its memory until it is read. */
  await(response: ServerResponse, socket: Socket): void {
    // A stream that goes on is for the watch hub to bound: a quiet watcher has read all there is.
    const bytes = response.writableEnded ? response.writableLength : 0;
    if (bytes === 0) return;
    this.#bytes += bytes;
    response.once('close', () => (this.#bytes -= bytes));
    // Node counts it anew when bytes have gone, and replaces it once the reply is read.
    socket.setTimeout(this.#timeoutMs);
  }
}

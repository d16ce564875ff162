import type { Socket } from 'node:net';

/** How many connections may be open whose program has not been let in; beyond that the oldest is cut off. */
const AT_MOST = 64;

/** Bounds the connections of whoever has shown nothing yet, so that they keep no program out. */
export class Strangers {
  readonly #waiting = new Set<Socket>();

  add(socket: Socket): void {
    this.#waiting.add(socket);
    socket.once('close', () => this.#waiting.delete(socket));
    const [oldest] = this.#waiting;
    if (this.#waiting.size > AT_MOST) oldest?.destroy();
  }

  letIn(socket: Socket): void {
    this.#waiting.delete(socket);
  }
}

import type { RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** A link, as far as its connections are the agent API's. */
type Holder = {
  groupId: string;
  /** A request came over one of its connections. */
  asked(socket: Socket, response: ServerResponse): void;
  /** Its group's agent has shown who it is. */
  usedBy(agentId: string): void;
};

/** Which connections of the agent API were dialled, and for which link. */
export class DialledSockets {
  readonly #holders = new WeakMap<Socket, Holder>();

  add(socket: Socket, holder: Holder): void {
    this.#holders.set(socket, holder);
  }

  /** For the server that they were handed to. */
  readonly onRequest: RequestListener = ({ socket }, response) =>
    this.#holders.get(socket)?.asked(socket, response);

  /** An agent has shown who it is in a request; one of another group is none of the link's. */
  noteAgent(socket: Socket, { agentId, groupId }: { agentId: string; groupId: string }): void {
    const holder = this.#holders.get(socket);
    if (holder?.groupId === groupId) holder.usedBy(agentId);
  }
}

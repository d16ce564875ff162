import { Socket } from 'node:net';

/** For the refusal of a request that waits to be on its way. */
const GRACE_MS = 1_000;

/** Which connections each agent has proved itself on, so that they end with it. */
export class AgentConnections {
  readonly #byAgent = new Map<string, Set<Socket>>();

  /** The agent has just proved itself on this connection. */
  note(agentId: string, socket: Socket): void {
    const known = this.#byAgent.get(agentId);
    if (known?.has(socket) === true || !(socket instanceof Socket)) return;
    if (known === undefined) this.#byAgent.set(agentId, new Set([socket]));
    else known.add(socket);
    socket.once('close', () => this.#forget(agentId, socket));
  }

  /** Closes every connection of an agent that is revoked, whatever it is used for. */
  close(agentId: string): void {
    const sockets = [...(this.#byAgent.get(agentId) ?? [])];
    if (sockets.length === 0) return;
    const end = () => {
      for (const socket of sockets) socket.destroy();
    };
    setTimeout(end, GRACE_MS).unref();
  }

  #forget(agentId: string, socket: Socket): void {
    const known = this.#byAgent.get(agentId);
    known?.delete(socket);
    if (known?.size === 0) this.#byAgent.delete(agentId);
  }
}

import { Socket } from 'node:net';

/** Time for the refusal of a waiting request to be sent. */
const GRACE_MS = 1_000;

/** Which connections each agent has proved itself on, so that they end with it. */
export class AgentConnections {
  readonly #byAgent = new Map<string, Set<Socket>>();
  readonly #agentsOn = new WeakMap<Socket, Set<string>>();

  /** The agent has just proved itself on this connection. */
  note(agentId: string, socket: Socket): void {
    if (!(socket instanceof Socket)) return;
    const agents = this.#agentsOn.get(socket) ?? this.#watch(socket);
    if (agents.has(agentId)) return;
    agents.add(agentId);
    const sockets = this.#byAgent.get(agentId);
    if (sockets === undefined) this.#byAgent.set(agentId, new Set([socket]));
    else sockets.add(socket);
  }

  /** Closes every connection that only this agent, which is revoked, has used; a proxy may carry others on one. */
  close(agentId: string): void {
    const sockets = [...(this.#byAgent.get(agentId) ?? [])];
    const own = sockets.filter((socket) => this.#agentsOn.get(socket)?.size === 1);
    if (own.length === 0) return;
    const end = () => {
      for (const socket of own) socket.destroy();
    };
    setTimeout(end, GRACE_MS).unref();
  }

  #watch(socket: Socket): Set<string> {
    const agents = new Set<string>();
    this.#agentsOn.set(socket, agents);
    socket.once('close', () => {
      for (const agentId of agents) this.#forget(agentId, socket);
    });
    return agents;
  }

  #forget(agentId: string, socket: Socket): void {
    const sockets = this.#byAgent.get(agentId);
    sockets?.delete(socket);
    if (sockets?.size === 0) this.#byAgent.delete(agentId);
  }
}

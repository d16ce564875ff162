import type { Agent } from 'node:https';

/** Ends the connections of an agent that carry no request. */
export function closeIdle({ freeSockets }: Agent): void {
  for (const sockets of Object.values(freeSockets)) {
    for (const socket of sockets ?? []) socket.destroy();
  }
}

import { once } from 'node:events';
import type { Server } from 'node:https';
import type { Socket } from 'node:net';

/**
 * Returns what closes a server with every connection to it: also those whose handshake is under way, which Node does
 * not count among its connections and which would go on to wait for a reply.
 */
export function hangUpOn(server: Server): () => Promise<void> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return async () => {
    const closed = once(server, 'close');
    server.close();
    // Those that were dialled did not come in by the server.
    server.closeAllConnections();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
}

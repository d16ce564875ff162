import type { Server, Socket } from 'node:net';

/** Strangers get no further than a handshake, of which there may be so many at a time. */
export const MAX_HALF_OPEN = 64;

/**
 * Bounds the connections of a TLS server that have not finished their handshake: over the limit the oldest is
 * cut off, so that whoever opens many and sends nothing keeps nobody else out. Returns what cuts all of them off.
 */
export function boundHalfOpen(server: Server, most = MAX_HALF_OPEN): () => void {
  const halfOpen = new Map<string, Socket>();
  server.on('connection', (socket: Socket) => {
    const peer = peerOf(socket);
    halfOpen.set(peer, socket);
    socket.once('close', () => {
      if (halfOpen.get(peer) === socket) halfOpen.delete(peer);
    });
    const [oldest] = halfOpen.values();
    if (halfOpen.size > most) oldest?.destroy();
  });
  server.on('secureConnection', (socket: Socket) => halfOpen.delete(peerOf(socket)));
  return () => {
    for (const socket of halfOpen.values()) socket.destroy();
  };
}

/** TLS has a socket of its own over the one that was accepted; both name the same peer. */
function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer as createHttpsServer, type Server, type ServerOptions } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { LinkError } from '../src/link-error.ts';

export type TestServer = AsyncDisposable & { port: number; url: string; server: Server };

const ok: RequestListener = (_request, response) => {
  response.end('ok');
};

/** An HTTPS server on a free port of 127.0.0.1. */
export async function startServer(
  options: ServerOptions,
  listener: RequestListener = ok,
): Promise<TestServer> {
  const server = createHttpsServer(options, listener);
  // A refused handshake is what some tests are after; the client's side of it is what they check.
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = addressOf(server);
  return {
    port,
    url: `https://127.0.0.1:${port}`,
    server,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

export type TcpServer = AsyncDisposable & { port: number; connections: () => number };

/** A server that knows no TLS, on a free port of 127.0.0.1. */
export async function startTcpServer(onConnection: (socket: Socket) => void): Promise<TcpServer> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createTcpServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => {});
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: addressOf(server).port,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function addressOf(server: { address(): AddressInfo | string | null }): AddressInfo {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP server');
  return address;
}

/** The LinkError that a promise rejects with; anything else fails the test. */
export async function linkErrorOf(promise: Promise<unknown>): Promise<LinkError> {
  const outcome = await promise.then(
    () => 'no error',
    (error: unknown) => error,
  );
  if (outcome instanceof LinkError) return outcome;
  throw new Error('expected a LinkError', { cause: outcome });
}

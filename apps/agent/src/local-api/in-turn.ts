import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Peer } from '../host/libc.ts';
import type { UnreadReplies } from './unread-replies.ts';

/** What every listener for programs grants. */
export const limits = {
  maxHeaderSize: 8 * 1024,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 60_000,
  /** By default Node looks for silent connections twice a minute, and they could fill the server until then. */
  connectionsCheckingInterval: 1_000,
} satisfies ServerOptions;

const MAX_CONNECTIONS = 512;

/** Returns what is to be done once the reply is gone, to its reader or not. `peer` asks, where that is known. */
export type Answer = (
  request: IncomingMessage,
  response: ServerResponse,
  peer?: Peer,
) => () => void;

/** A connection carries one request at a time: else it could ask for any number of replies and read none. */
export function answerInTurn(server: Server, unread: UnreadReplies, answer: Answer): void {
  const answering = new WeakSet<Socket>();
  server.maxConnections = MAX_CONNECTIONS;
  server.on('request', (request, response) => {
    const { socket } = request;
    if (answering.has(socket)) return void socket.destroy();
    answering.add(socket);
    const done = answer(request, response);
    response.on('close', () => {
      answering.delete(socket);
      done();
    });
    unread.await(response, socket);
  });
}

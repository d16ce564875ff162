import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Peer } from '../host/libc.ts';
import { peerOf } from '../host/peers.ts';
import { listenOnSocket, stopListening, type SocketAccess } from './claim-socket.ts';
import { answerInTurn, limits, type Answer } from './in-turn.ts';
import { Strangers } from './strangers.ts';
import type { UnreadReplies } from './unread-replies.ts';
import { isOneOf, type Users } from './users.ts';

/** A place where programs ask; closing it ends every connection there. */
export type Listener = { close(): Promise<void> };

type Served = {
  unread: UnreadReplies;
  /** Whose connections alone may fill the listener; absent: anybody's. */
  users?: Users | undefined;
  answer: Answer;
};

/** Listens on a unix socket; closing removes its file. @throws AgentError of `listenOnSocket` */
export async function openSocket(
  path: string,
  access: SocketAccess,
  { unread, users, answer }: Served,
): Promise<Listener> {
  const server = createServer(limits);
  const peers = knowPeers(server, users);
  answerInTurn(server, unread, (request, response) =>
    answer(request, response, peers.get(request.socket)),
  );
  const claimed = await listenOnSocket(server, path, access);
  return {
    async close() {
      const closed = once(server, 'close');
      stopListening(server, claimed);
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Asked for once a connection: requests are many. */
function knowPeers(server: Server, users: Users | undefined): WeakMap<Socket, Peer> {
  const peers = new WeakMap<Socket, Peer>();
  const strangers = new Strangers();
  server.on('connection', (socket) => {
    const peer = peerOf(socket);
    if (peer !== undefined) peers.set(socket, peer);
    if (users !== undefined && !isOneOf(users, peer)) strangers.add(socket);
  });
  return peers;
}

import { once } from 'node:events';
import { createServer } from 'node:http';
import { listenOnSocket, stopListening, type SocketAccess } from './claim-socket.ts';
import { answerInTurn, limits, type Answer } from './in-turn.ts';
import type { UnreadReplies } from './unread-replies.ts';

/** A place where programs ask; closing it ends every connection there. */
export type Listener = { close(): Promise<void> };

/** Listens on a unix socket; closing removes its file. @throws AgentError of `listenOnSocket` */
export async function openSocket(
  path: string,
  access: SocketAccess,
  unread: UnreadReplies,
  answer: Answer,
): Promise<Listener> {
  const server = createServer(limits);
  answerInTurn(server, unread, answer);
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

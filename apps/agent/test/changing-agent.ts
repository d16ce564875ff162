import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createTempDirectory } from '@sallyport/testkit/temp';

/** What answers as an agent does whose group changes between two requests. */
export type ChangingAgent = {
  /** A directory for the test, in which the socket is. */
  home: string;
  socket: string;
  /** The paths that were asked for. */
  asked: readonly string[];
  end(): Promise<void>;
};

/** Each reply is of the revision that `revisionAt` gives for it, counted from 1, and so is its value. */
export async function changingAgent(
  revisionAt: (request: number) => number,
): Promise<ChangingAgent> {
  const home = await createTempDirectory('changing');
  const socket = join(home.path, 'socket');
  const asked: string[] = [];
  const server = createServer(({ url = '' }, response) => {
    asked.push(url);
    response.setHeader('connection', 'close').end(replyTo(url, revisionAt(asked.length)));
  }).listen({ path: socket });
  await once(server, 'listening');
  return {
    home: home.path,
    socket,
    asked,
    end: async () => {
      await server[Symbol.asyncDispose]();
      await home.remove();
    },
  };
}

function replyTo(url: string, revision: number): string {
  if (url === '/v1/secrets') return JSON.stringify({ revision, complete: true, items: [] });
  if (url.startsWith('/v1/config/')) return JSON.stringify({ value: revision });
  const name = url.slice('/v1/secrets/'.length);
  return JSON.stringify({ name, version: 1, revision, value: `${revision}` });
}

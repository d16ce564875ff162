import { once } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';

/**
 * The response to a request that was sent; undefined for one with status 101, which is none for Node: it hangs up and
 * tells nothing. Rejects with what `error` tells.
 */
export async function responseTo(sent: ClientRequest): Promise<IncomingMessage | undefined> {
  const [response]: IncomingMessage[] = await Promise.race([
    once(sent, 'response'),
    once(sent, 'close'),
  ]);
  return response;
}

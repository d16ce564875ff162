import { once } from 'node:events';
import { Agent, request } from 'node:https';

/** Requests without end, from an address of their own, so that limits by address take them for strangers. */
export type FloodTarget = {
  url: string;
  ca: string;
  /** How many wait for a reply at a time. */
  clients: number;
  /** What is posted each time. */
  body: () => Promise<string>;
};

/** What came of it: replies by status, and those of 429 that did not say when to come back. */
export type FloodTally = { byStatus: Map<number, number>; withoutRetryAfter: number };

const FROM = '127.0.0.2';

/** Posts to `url` until `stop`, which tells what came of it. Replies that never come are no failure. */
export function startFlood(target: FloodTarget): { stop(): Promise<FloodTally> } {
  const { url, ca, clients, body } = target;
  const agent = new Agent({ keepAlive: true, ca, maxSockets: clients, localAddress: FROM });
  const tally: FloodTally = { byStatus: new Map(), withoutRetryAfter: 0 };
  let isOver = false;
  const client = async () => {
    while (!isOver) {
      const text = await body();
      const outgoing = request(url, {
        agent,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
      });
      outgoing.end(text);
      try {
        const [reply] = await once(outgoing, 'response');
        const { statusCode = 0, headers } = reply;
        reply.resume();
        await once(reply, 'end');
        tally.byStatus.set(statusCode, (tally.byStatus.get(statusCode) ?? 0) + 1);
        if (statusCode === 429 && headers['retry-after'] === undefined)
          tally.withoutRetryAfter += 1;
      } catch {
        // The server is away, or hung up on a stranger.
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  };
  const running = Promise.all(Array.from({ length: clients }, client));
  return {
    stop: async () => {
      isOver = true;
      agent.destroy();
      await running;
      return tally;
    },
  };
}

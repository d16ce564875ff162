import { Agent } from '@sallyport/agent/src/agent.ts';
import type { Link } from '@sallyport/agent/src/link/call.ts';
import { HttpsLink } from '@sallyport/tls/https-link';
import { BareClient } from './bare-client.ts';
import { monotonicMs } from './clock.ts';
import { crowdOrder, type CrowdNews, type CrowdOrder } from './crowd-messages.ts';
import { enrolAgents } from './enrol.ts';

/** A process that holds many waiting clients: real agents, without disk, or the yardstick's bare ones. */
process.once('message', (message) => void join(crowdOrder.parse(message)));
process.once('disconnect', () => process.exit(0));

async function join(order: CrowdOrder): Promise<void> {
  const { count } = order;
  let arrivals: number[] = [];
  const arrived = (atMs: number) => {
    if (arrivals.push(atMs) < count) return;
    tell({ kind: 'arrived', atMs: arrivals });
    arrivals = [];
  };
  if (order.as === 'bare') {
    for (let index = 0; index < count; index += 1)
      void new BareClient(order.url, order.ca).poll(arrived);
    return;
  }
  for (const identity of await enrolAgents(order, count)) {
    const link = recorded(new HttpsLink({ baseUrl: order.url, ca: order.ca }));
    const agent = new Agent({ identity, link });
    agent.onApplied(() => arrived(monotonicMs()));
    agent.start();
  }
}

let lastReply = '';

/** Remembers what a pull brought last, so that the yardstick can send the same bytes. */
function recorded(link: HttpsLink): Link {
  return {
    request: async (method, path, request) => {
      const reply = await link.request(method, path, request);
      if (path === '/agent/v1/pull' && reply.status === 200)
        lastReply = reply.body.toString('latin1');
      return reply;
    },
    tlsParameters: () => link.tlsParameters(),
    close: () => link.close(),
  };
}

process.on('message', (message) => {
  if (message === 'last-reply') tell({ kind: 'last-reply', body: lastReply });
});

function tell(news: CrowdNews): void {
  process.send?.(news);
}

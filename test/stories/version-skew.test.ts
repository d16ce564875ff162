import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { PROTOCOL } from '@sallyport/contract';
import { HttpsLink } from '@sallyport/tls/https-link';
import { createAgent, type Agent } from '../../apps/agent/src/agent.ts';
import type { Link } from '../../apps/agent/src/link/call.ts';
import { viewIdentity } from '../../apps/agent/src/state/view-identity.ts';
import { until } from '../../apps/agent/test/harness.ts';
import type { Host } from '../fixtures/host.ts';
import { Installation, type Replica } from '../fixtures/installation.ts';
import type { Operator } from '../fixtures/operator.ts';

let installation: Installation;
let replica: Replica;
let owner: Operator;
let host: Host;
beforeAll(async () => {
  installation = await Installation.create();
  replica = await installation.startReplica('control-plane');
  owner = await installation.signIn(replica);
  await owner.do('POST', '/groups', { name: 'plant-7' });
  await put('first');
  host = await installation.enrolledHost(owner, replica, 'plant-7', 'host');
}, 60_000);
afterAll(() => installation.end());

const put = (value: string) => owner.do('PUT', '/groups/plant-7/secrets/s', { value });

/** An agent’s bodies, as a release that speaks another protocol would send them. */
function speaking(link: HttpsLink, bodyOf: (json: object) => object): Link {
  return {
    request: (method, path, request) => {
      const json = request?.json;
      const isBody = typeof json === 'object' && json !== null && 'protocol' in json;
      return link.request(method, path, isBody ? { ...request, json: bodyOf(json) } : request);
    },
    tlsParameters: () => link.tlsParameters(),
    close: () => link.close(),
  };
}

async function agentThat(bodyOf: (json: object) => object): Promise<Agent> {
  const link = new HttpsLink({ baseUrl: replica.agentUrl, ca: replica.ca });
  const config = { stateDir: host.stateDir, authentication: 'key' } as const;
  const { identity } = await viewIdentity(config);
  const agent = createAgent({ identity, link: speaking(link, bodyOf) });
  agent.start();
  return agent;
}

/** The value that it serves now. */
function served(agent: Agent): string | undefined {
  const entry = agent.cache.list('secret').find(({ name }) => name === 's');
  return entry && agent.cache.open(entry).toString('utf8');
}

const olderThan = (json: object) => ({ ...json, protocol: PROTOCOL - 1 });
const newerThan = (json: object) => ({ ...json, protocol: PROTOCOL + 1, novelty: { of: 1 } });

test('[F-20] an agent of the protocol before is served, and follows changes', async () => {
  const agent = await agentThat(olderThan);
  await until(() => served(agent) === 'first');
  await put('second');
  await until(() => served(agent) === 'second');
  await agent.stop();
});

test('[F-20] an agent that is upgraded before its control plane says so, keeps what it has, and serves it', async () => {
  let bodyOf = (json: object): object => json;
  const agent = await agentThat((json) => bodyOf(json));
  await until(() => served(agent) === 'second' && agent.contact.state === 'connected');
  bodyOf = newerThan;
  await put('third');
  await until(() => agent.contact.state === 'refused');
  expect(agent.contact.lastError).toMatchObject({
    code: 'protocol.unsupported',
    message: expect.stringContaining('upgrade the control plane first'),
  });
  // The pull that was open while it was upgraded still brought the change.
  expect(served(agent)).toBe('third');
  expect(agent.isRevoked).toBe(false);
  await agent.stop();
});

test('[F-20] an agent that starts as newer than its control plane is refused by name, not as malformed', async () => {
  const agent = await agentThat(newerThan);
  await until(() => agent.contact.state === 'refused');
  expect(agent.contact.lastError?.code).toBe('protocol.unsupported');
  await agent.stop();
});

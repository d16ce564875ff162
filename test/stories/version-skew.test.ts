import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createdEnrollmentToken, PROTOCOL } from '@sallyport/contract';
import { HttpsLink, type LinkReply } from '@sallyport/tls/https-link';
import { z } from 'zod';
import { Agent } from '../../apps/agent/src/agent.ts';
import { systemClock } from '../../apps/agent/src/clock.ts';
import type { Link } from '../../apps/agent/src/link/call.ts';
import { enroll } from '../../apps/agent/src/link/enroll.ts';
import { StateDirectory } from '../../apps/agent/src/state/state-directory.ts';
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

type Heard = (path: string, reply: LinkReply) => void;

/** An agent’s bodies, as a release that speaks another protocol would send them. */
function speaking(
  link: HttpsLink,
  bodyOf: (json: object) => object,
  heard: Heard = () => {},
): Link {
  return {
    request: async (method, path, request) => {
      const json = request?.json;
      const isBody = typeof json === 'object' && json !== null && 'protocol' in json;
      const sent = isBody ? { ...request, json: bodyOf(json) } : request;
      const reply = await link.request(method, path, sent);
      heard(path, reply);
      return reply;
    },
    tlsParameters: () => link.tlsParameters(),
    close: () => link.close(),
  };
}

async function agentThat(bodyOf: (json: object) => object, heard?: Heard): Promise<Agent> {
  const link = new HttpsLink({ baseUrl: replica.agentUrl, ca: replica.ca });
  const config = { stateDir: host.stateDir, authentication: 'key' } as const;
  const { identity } = await viewIdentity(config);
  const agent = new Agent({ identity, link: speaking(link, bodyOf, heard) });
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

/** What agents of the protocol before take, field by field: they refuse any reply with another one. */
const before = z
  .record(z.string(), z.record(z.string(), z.unknown()))
  .parse(
    JSON.parse(
      readFileSync(
        join(import.meta.dirname, `../fixtures/protocol-${PROTOCOL - 1}-replies.json`),
        'utf8',
      ),
    ),
  );
const closed = new Map(
  Object.entries(before).map(([path, schema]) => [path, z.fromJSONSchema(schema)]),
);

/** Every reply that such an agent would not understand, and the paths of those that it would. */
class Replies {
  readonly refused: unknown[] = [];
  readonly understood = new Set<string>();

  readonly hear: Heard = (path, { status, body }) => {
    if (status !== 200 && status !== 201) return;
    const result = closed.get(path)?.safeParse(JSON.parse(body.toString('utf8')));
    if (result?.success === true) this.understood.add(path);
    else this.refused.push({ path, issues: result?.error?.issues ?? 'a path of its own' });
  };
}

test('[F-20] an agent of the protocol before enrols, is served, and follows changes', async () => {
  const replies = new Replies();
  const { refused, understood } = replies;
  const link = new HttpsLink({ baseUrl: replica.agentUrl, ca: replica.ca });
  const made = await owner.do('POST', '/groups/plant-7/enrollment-tokens', {});
  using state = await StateDirectory.open(installation.host('older').stateDir);
  await enroll({
    state,
    link: speaking(link, olderThan, replies.hear),
    controlPlane: replica.agentUrl,
    trustAnchor: replica.ca,
    certified: true,
    token: createdEnrollmentToken.parse(made.body).token,
    name: 'older',
    force: false,
    clock: systemClock,
  });
  link.close();
  const agent = await agentThat(olderThan, replies.hear);
  await until(() => served(agent) === 'first');
  await put('second');
  await until(() => served(agent) === 'second');
  await agent.stop();
  expect(refused).toEqual([]);
  expect([...understood].toSorted()).toEqual(
    ['enroll', 'pull', 'session'].map((name) => `/agent/v1/${name}`),
  );
});

test('[F-20] a reply with a field that the protocol before did not have is one that it refuses', () => {
  const { hear, refused, understood } = new Replies();
  const pulled = { revision: 1, epoch: 1, tasks: [], next: { afterMilliseconds: 0 } };
  const reply = (body: object) => ({
    status: 200,
    headers: {},
    body: Buffer.from(JSON.stringify(body)),
  });
  hear('/agent/v1/pull', reply(pulled));
  expect({ refused, understood: understood.size }).toEqual({ refused: [], understood: 1 });
  hear('/agent/v1/pull', reply({ ...pulled, endedLeases: [] }));
  hear('/agent/v1/pull', reply({ ...pulled, next: {} }));
  hear('/agent/v1/news', reply({}));
  expect(refused).toHaveLength(3);
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

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ACCESS_TOKEN_TTL_SECONDS } from '@sallyport/crypto/access-token';
import { createClock } from '@sallyport/testkit/clock';
import { asAdmin } from '@sallyport/testkit/database';
import { startTcpGate, type TcpGate } from '@sallyport/testkit/tcp-gate';
import { until } from '@sallyport/testkit/until';
import { z } from 'zod';
import { AgentConnections, Revocations } from '../../src/agents/index.ts';
import { GroupFeed, Hub, SafetyNet } from '../../src/delivery/index.ts';
import { openQueueBackend } from '../../src/platform/queue-backend.ts';
import { AgentTasks } from '../../src/tasks/index.ts';
import type { AgentClient } from '../agent-client.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { field, OperatorClient } from '../operator-client.ts';

const MINUTE_MS = 60_000;
/** Three seconds lie between two: after so many a replica no longer counts as current. */
const FAILED_LOOKS = 6;

let controlPlane: TestControlPlane;
/** A replica that reaches the database through a gate; it alone does the periodic work. */
let second: TestControlPlane;
let gate: TcpGate;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER });
  const url = new URL(controlPlane.databaseUrl);
  gate = await startTcpGate({ host: url.hostname, port: Number(url.port) });
  url.port = String(gate.port);
  second = await startControlPlane({ databaseUrl: url.href, rootKey: controlPlane.rootKey });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterAll(async () => {
  gate.restore();
  await second.end();
  await gate.close();
  await controlPlane.end();
});

/** Writes behind the control planes' back: nobody is woken. */
const silently = (statement: string, ...values: unknown[]) =>
  asAdmin(controlPlane.databaseUrl, (client) => client.query(statement, values));

async function current(group: string, replica = controlPlane): Promise<AgentClient> {
  const agent = await agentIn(owner, group, replica);
  await agent.pull();
  return agent;
}

test('a change whose wake-up was lost is delivered to an agent that waits', async () => {
  const agent = await current('lost-change');
  const { revision } = agent;
  const waiting = agent.pull(30);
  await silently('UPDATE groups SET revision = revision + 1 WHERE name = $1', 'lost-change');
  expect(await waiting).toMatchObject({ revision: revision + 1 });
}, 15_000);

test('a revocation whose wake-up was lost ends the pull that waits', async () => {
  const agent = await current('lost-revocation');
  const waiting = agent.pullRaw(30);
  const now = new Date(controlPlane.clock.now());
  await silently('UPDATE agents SET revoked_at = $1 WHERE id = $2', now, agent.id);
  expect(await waiting).toMatchObject({ status: 401, body: { code: 'agent.revoked' } });
}, 15_000);

test('[AX-17] a revocation of an agent token whose wake-up was lost ends the pull that waits in its session', async () => {
  const agent = await current('lost-token-revocation');
  const created = await owner.call('POST', `/agents/${agent.id}/tokens`, {});
  await agent.openSessionWith(field(created.body, 'token'));
  const waiting = agent.pullRaw(30);
  const now = new Date(controlPlane.clock.now());
  await silently('UPDATE agent_tokens SET revoked_at = $1 WHERE agent_id = $2', now, agent.id);
  expect(await waiting).toMatchObject({ status: 401, body: { code: 'agent_token.revoked' } });
}, 15_000);

test('[AT-10] [AX-17] a revocation counts for as long as an access token may last, also one that is heard of while the list is read', async () => {
  const revocations = new Revocations(controlPlane.platform);
  const refused = (agentId: string) => revocations.refusalOf({ agentId, groupId: 'any' })?.code;
  const [{ id }, heard] = [await current('revoked-before'), randomUUID()];
  const before = new Date(controlPlane.clock.now() - ACCESS_TOKEN_TTL_SECONDS * 1_000);
  await silently('UPDATE agents SET revoked_at = $1 WHERE id = $2', before, id);
  const look = revocations.reload();
  revocations.add(heard);
  await look;
  expect([id, heard].map(refused)).toEqual(['agent.revoked', 'agent.revoked']);
  // What is nowhere in the database is forgotten.
  await revocations.reload();
  expect([id, heard].map(refused)).toEqual(['agent.revoked', undefined]);
});

test('a replica that has lost its database delivers nothing, since it may not know of a revocation, and comes back by itself', async () => {
  const agent = await current('cut-off', second);
  gate.cut();
  let reply = await agent.pullRaw();
  while (reply.status === 204) reply = await agent.pullRaw();
  const unavailable = { status: 503, body: { code: 'server.unavailable' } };
  expect(reply).toMatchObject(unavailable);
  // A bundle that the agent has is told without the database, but not to whom it may no longer be told.
  const etag = `"${agent.enrolled?.group.id}/${agent.revision}"`;
  const bundle = `/revisions/${agent.revision}/bundle`;
  const known = { 'if-none-match': etag };
  let told = await agent.call('GET', bundle, undefined, known);
  // Until it is noticed that nothing is heard any more.
  while (told.status === 304) told = await agent.call('GET', bundle, undefined, known);
  expect(told).toMatchObject(unavailable);
  gate.restore();
  await owner.call('PUT', '/groups/cut-off/secrets/a', { value: 'while it was away' });
  reply = await agent.pullRaw();
  while (reply.status === 503) reply = await agent.pullRaw();
  expect(await agent.call('GET', bundle, undefined, known)).toMatchObject({ status: 304 });
  expect(await agent.open(await agent.pull(30))).toEqual({ a: 'while it was away' });
}, 20_000);

test('an agent that is ahead of the control plane is told so, and gets nothing older', async () => {
  const agent = await current('ahead');
  agent.revision += 1;
  expect(await agent.pullRaw()).toMatchObject({
    status: 409,
    body: { code: 'revision.ahead' },
  });
});

test('an agent that is ahead of a replica alone, which missed the wake-up, is served', async () => {
  const agent = await current('heard-elsewhere', second);
  await silently('UPDATE groups SET revision = revision + 1 WHERE name = $1', 'heard-elsewhere');
  agent.revision += 1;
  expect((await agent.pullRaw()).status).toBe(204);
});

test('operators see the revision that an agent’s pull has acknowledged, and none that there never was', async () => {
  const agent = await current('acknowledged');
  await owner.call('PUT', '/groups/acknowledged/secrets/a', { value: 'value' });
  await agent.pull(30);
  const { revision } = agent;
  agent.revision = 2 ** 31 - 1;
  expect((await agent.pullRaw()).status).toBe(409);
  agent.revision = revision;
  await agent.pull();
  const shown = z.object({ appliedRevision: z.int() });
  const applied = async () =>
    shown.parse((await owner.call('GET', `/agents/${agent.id}`)).body).appliedRevision;
  let seen = await applied();
  // Written in batches, at most a second later.
  while (seen < revision) seen = await applied();
  expect(seen).toBe(revision);
}, 10_000);

test('an agent that takes no tasks waits in peace while one waits for it', async () => {
  const agent = await current('no-capacity');
  await owner.call('POST', `/agents/${agent.id}/tasks`, { kind: 'diagnose' });
  const delivered = async () =>
    (await controlPlane.platform.metrics.deliveries.get()).values[0]?.value;
  const before = await delivered();
  expect((await agent.pullRaw(1, 0)).status).toBe(204);
  expect((await agent.pull(10, 1))?.tasks).toHaveLength(1);
  // A task alone is no bundle.
  expect(await delivered()).toBe(before);
});

test('[SG-37] an agent is lost after three minutes in which it could be heard: an outage of the database does not count', async () => {
  const silent = await current('outage', second);
  const heard = await current('outage', second);
  const { databaseUrl, platform } = controlPlane;
  const database = { connectionString: databaseUrl };
  const backend = await openQueueBackend({ database }, platform.log);
  const queue = (await backend.queues({}))('maintenance');
  await queue.upsertJobScheduler('mark-lost', { every: 500 }, { name: 'mark-lost' });
  await backend.close();
  const lost = async () =>
    (await silently('SELECT FROM agents WHERE id = $1 AND lost_at IS NOT NULL', silent.id))
      .rowCount === 1;
  const turns = async () =>
    (
      await silently(
        `SELECT FROM bullmq.event WHERE event = 'completed' AND data->>'jobId' LIKE 'repeat:mark-lost:%'`,
      )
    ).rowCount ?? 0;

  gate.cut();
  const failed = () => second.logged().split('the safety net could not read').length;
  const enough = failed() + FAILED_LOOKS;
  await until(async () => failed() >= enough);
  second.clock.advance(4 * MINUTE_MS);
  gate.restore();
  await until(async () => (await heard.pullRaw()).status === 204);
  const before = await turns();
  // The first may have begun before.
  await until(async () => (await turns()) >= before + 2);
  expect(await lost()).toBe(false);
  second.clock.advance(3 * MINUTE_MS + 1);
  await until(lost);
}, 120_000);

async function ownTasks(platform = controlPlane.platform) {
  const database = { connectionString: controlPlane.databaseUrl };
  const backend = await openQueueBackend({ database }, platform.log);
  return { backend, tasks: await AgentTasks.open(platform, backend) };
}

test('a task that a wake-up tells of while a look is under way, which has read before it, is not forgotten', async () => {
  const { backend, tasks } = await ownTasks();
  const agentId = randomUUID();
  const look = tasks.reload();
  tasks.notice(agentId);
  await look;
  expect(tasks.mayHaveWork(agentId)).toBe(true);
  expect(await tasks.reload()).not.toContain(agentId);
  await backend.close();
});

test('[F-11] a revocation and a move that a wake-up tells of while a look is under way, which has read before them, are not forgotten', async () => {
  const revocations = new Revocations(controlPlane.platform);
  const [revoked = '', moved = '', from = '', to = ''] = Array.from({ length: 4 }, randomUUID);
  const look = revocations.reload();
  revocations.add(revoked);
  revocations.addMove(moved, to);
  await look;
  const codeOf = (agentId: string) => revocations.refusalOf({ agentId, groupId: from })?.code;
  expect([codeOf(revoked), codeOf(moved)]).toEqual(['agent.revoked', 'access_token.expired']);
  await revocations.reload();
  expect([codeOf(revoked), codeOf(moved)]).toEqual([undefined, undefined]);
});

/** A safety net of its own, which looks when it is told to. */
async function ownNet(platform = controlPlane.platform) {
  const { log } = platform;
  const { backend, tasks } = await ownTasks(platform);
  const hub = new Hub();
  const never = () => Promise.reject(new Error('nobody waits'));
  const feed = new GroupFeed({ build: never, readRevision: never, hub, log });
  const [revocations, connections] = [new Revocations(platform), new AgentConnections()];
  const net = new SafetyNet({ platform, hub, feed, revocations, connections, tasks });
  return { net, connections, backend };
}

test('[F-11] a revocation whose wake-up was lost closes the connections of its agent', async () => {
  const agent = await current('lost-connection');
  const { net, connections, backend } = await ownNet();
  await net.look();
  const server = createServer().listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const socket = connect(z.object({ port: z.number() }).parse(server.address()).port, '127.0.0.1');
  await once(socket, 'connect');
  connections.note(agent.id, socket);
  const now = new Date(controlPlane.clock.now());
  await silently('UPDATE agents SET revoked_at = $1 WHERE id = $2', now, agent.id);
  await net.look();
  await once(socket, 'close');
  server.close();
  await backend.close();
});

test('[SG-37] a clock that was set back makes nobody wait for what it has counted ahead: agents are lost after three minutes', async () => {
  const clock = createClock();
  const { net, backend } = await ownNet({ ...controlPlane.platform, clock });
  await net.look();
  clock.advance(-24 * 60 * MINUTE_MS);
  await net.look();
  clock.advance(3 * MINUTE_MS);
  await backend.close();
  expect(net.inReachMs).toBe(3 * MINUTE_MS);
});

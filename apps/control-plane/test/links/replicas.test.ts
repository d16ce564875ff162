import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { asAdmin, createTestDatabase } from '@sallyport/testkit/database';
import { startTcpGate, type TcpGate } from '@sallyport/testkit/tcp-gate';
import type { AgentClient } from '../agent-client.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { OperatorClient } from '../operator-client.ts';
import { ListeningAgent, selfMadePin, serving, untilLink } from './listening.ts';

/** With wake-ups a round takes well below a second; without them all but the first would take the five between two looks. */
const ROUNDS = 4;
const ROUNDS_MS = 10_000;
const DIALS = 'this replica dials the links';
const LOST = 'a link has lost its agent';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
/** Between the database and the replica that dials first. */
let gate: TcpGate;
let first: TestControlPlane;
let second: TestControlPlane;
let owner: OperatorClient;
let agent: AgentClient;
const running: TestControlPlane[] = [];
beforeEach(async () => {
  database = await createTestDatabase();
  const settings = { databaseUrl: database.url, startMs: Date.now() };
  const url = new URL(database.url);
  gate = await startTcpGate({ host: url.hostname, port: Number(url.port) });
  url.port = String(gate.port);
  first = await serving(await startControlPlane({ ...settings, databaseUrl: url.href }));
  await until(() => first.logged().includes(DIALS));
  second = await serving(await startControlPlane({ ...settings, rootKey: first.rootKey }));
  running.push(first, second);
  owner = await OperatorClient.signedIn(second.operatorApp);
  agent = await agentIn(owner, 'plant-7', second);
});
afterEach(async () => {
  gate.restore();
  for (const replica of running.splice(0)) await replica.stop();
  await gate.close();
  await database.drop();
});

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`gave up waiting for ${holds.toString()}`);
    await pause(20);
  }
}

/** Makes the link over the replica that does not dial. */
const linkTo = ({ address }: ListeningAgent) =>
  owner.call('POST', '/groups/plant-7/links', {
    name: 'one',
    address,
    agentFingerprint: selfMadePin,
  });

test('[BM-01] of two replicas one dials, told by the other of a new link, and the other takes over when it stops', async () => {
  await using listening = await ListeningAgent.start(first.caCertificate);
  const begunAt = performance.now();
  for (let round = 0; round < ROUNDS; round += 1) {
    await linkTo(listening);
    expect(await listening.pull(agent)).toBe(200);
    await owner.call('DELETE', '/groups/plant-7/links/one');
    await until(() => !listening.isConnected);
  }
  expect(performance.now() - begunAt).toBeLessThan(ROUNDS_MS);
  await linkTo(listening);
  expect(await listening.pull(agent)).toBe(200);
  expect(second.logged()).not.toContain(DIALS);
  await running.shift()?.stop();
  await until(() => second.logged().includes(DIALS));
  await until(() => !listening.isConnected);
  expect(await listening.pull(agent)).toBe(200);
  await untilLink(owner, 'one', ({ connectedSince }) => connectedSince !== null);
});

test('[BM-01] a replica that loses its lock ends its connections, and one of all goes on', async () => {
  await using listening = await ListeningAgent.start(first.caCertificate);
  await linkTo(listening);
  expect(await listening.pull(agent)).toBe(200);
  await asAdmin(database.url, (client) =>
    client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_locks
        WHERE locktype = 'advisory' AND objid = 7205603 AND granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    ),
  );
  await until(() => !listening.isConnected);
  expect(await listening.pull(agent)).toBe(200);
  const dials = [first, second].flatMap(({ logged }) => logged().split(DIALS).slice(1));
  expect(dials.length).toBeGreaterThanOrEqual(2);
});

test('[BM-01] a replica that lost its lock unheard, and is heard again, does not say that the link of the next is not connected', async () => {
  await using listening = await ListeningAgent.start(first.caCertificate);
  await linkTo(listening);
  expect(await listening.pull(agent)).toBe(200);
  await untilLink(owner, 'one', ({ connectedSince }) => connectedSince !== null);
  second.clock.advance(1_000);
  gate.freeze();
  await until(() => first.logged().includes(LOST));
  await until(() => second.logged().includes(DIALS));
  expect(await listening.pull(agent)).toBe(200);
  const shown = await untilLink(owner, 'one', ({ connectedSince }) => connectedSince !== null);
  gate.restore();
  // With all that it had begun to write.
  await running.shift()?.stop();
  expect(await untilLink(owner, 'one', () => true)).toEqual(shown);
  expect(await listening.pull(agent)).toBe(200);
});

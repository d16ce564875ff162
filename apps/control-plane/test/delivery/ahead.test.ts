import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import type { AgentClient } from '../agent-client.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { OperatorClient } from '../operator-client.ts';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterAll(() => controlPlane.end());

async function current(group: string): Promise<AgentClient> {
  const agent = await agentIn(owner, group, controlPlane);
  await agent.pull();
  return agent;
}

async function bundlesBuilt(): Promise<number> {
  const { values } = await controlPlane.platform.metrics.bundlesBuilt.get();
  return values[0]?.value ?? 0;
}

test('hundreds of pulls of an agent that is ahead share their look at the database, and hold up no other group', async () => {
  const agent = await current('restored');
  const other = await current('bystander');
  const before = await bundlesBuilt();
  agent.revision += 1_000;
  let reads = 0;
  const { db } = controlPlane.platform;
  const read = db.read.bind(db);
  db.read = async (work) => {
    reads += 1;
    return read(work);
  };
  const herd = Array.from({ length: 300 }, () => agent.pullRaw());
  expect((await other.pullRaw()).status).toBe(204);
  const statuses = (await Promise.all(herd)).map(({ status }) => status);
  db.read = read;
  expect(new Set(statuses)).toEqual(new Set([409]));
  // The safety net forgets the bundle of a group in which nobody waits, every few seconds.
  expect((await bundlesBuilt()) - before).toBeLessThan(20);
  expect(reads).toBeLessThan(50);
}, 60_000);

test('of agents that are ahead of a replica alone, which missed the wake-up, all are served, and not by a build each', async () => {
  const agents = await Promise.all(Array.from({ length: 20 }, () => current('heard-elsewhere')));
  const before = await bundlesBuilt();
  await asAdmin(controlPlane.databaseUrl, (client) =>
    client.query(`UPDATE groups SET revision = revision + 1 WHERE name = 'heard-elsewhere'`),
  );
  for (const agent of agents) agent.revision += 1;
  const replies = await Promise.all(agents.map((agent) => agent.pullRaw()));
  expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([204]));
  // The safety net may look at the same time.
  expect((await bundlesBuilt()) - before).toBeLessThanOrEqual(2);
});

test('an agent that is ahead is heard of all the same, and has taken nothing of what there is', async () => {
  const agent = await current('heard-of');
  const put = await owner.call('PUT', '/groups/heard-of/secrets/a', { value: 'value' });
  expect(put.status).toBe(201);
  await agent.pull(30);
  await agent.pull();
  agent.revision += 100;
  controlPlane.clock.advance(60_000);
  const calledAt = controlPlane.clock.now();
  expect((await agent.pullRaw()).status).toBe(409);
  const shown = async () => owner.call('GET', `/agents/${agent.id}`);
  // Written in batches, at most a second later; so may be all that came before.
  const heard = `"lastSeenAt":"${new Date(calledAt).toISOString()}"`;
  let seen = await shown();
  while (!seen.text.includes(heard) || !seen.text.includes('"appliedRevision":0'))
    seen = await shown();
  expect(seen.body).toMatchObject({ state: 'active' });
});

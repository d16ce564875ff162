import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import pg from 'pg';
import { AgentClient } from '../agent-client.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { field, OperatorClient } from '../operator-client.ts';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let agent: AgentClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  for (const name of ['held', 'free']) await owner.call('POST', '/groups', { name });
  const created = await owner.call('POST', '/groups/held/enrollment-tokens', {});
  agent = await AgentClient.create(controlPlane.agentApp, controlPlane.clock);
  await agent.enroll(field(created.body, 'token'));
  await agent.openSession();
  await agent.pull();
});
afterAll(() => controlPlane.end());

test('[F-14] a change that is held open and commits late reaches the agent; other groups go on meanwhile', async () => {
  const holder = new pg.Client({ connectionString: controlPlane.databaseUrl });
  await holder.connect();
  await holder.query('BEGIN');
  await holder.query(`UPDATE groups SET revision = revision + 1 WHERE name = 'held'`);
  const inOtherGroup = await owner.call('PUT', '/groups/free/secrets/a', { value: 'not held up' });
  expect(inOtherGroup.status).toBe(201);
  const queued = owner.call('PUT', '/groups/held/secrets/a', { value: 'after the held one' });
  const waiting = agent.pull(30);
  await holder.query('COMMIT');
  await holder.end();
  expect((await queued).status).toBe(201);
  // The held transaction told nobody: its revision may come first, by the safety net, or be overtaken.
  let pulled = await waiting;
  while (pulled?.bundle === undefined || !('a' in (await agent.open(pulled))))
    pulled = await agent.pull(30);
  expect(await agent.open(pulled)).toEqual({ a: 'after the held one' });
});

test('[F-14] however many changes queue for a group that is held, other groups, sessions and pulls go on', async () => {
  const holder = new pg.Client({ connectionString: controlPlane.databaseUrl });
  await holder.connect();
  await holder.query('BEGIN');
  await holder.query(`SELECT FROM groups WHERE name = 'held' FOR UPDATE`);
  let answered = 0;
  const queued = Array.from({ length: 100 }, async (_, index) => {
    const { status } = await owner.call('PUT', `/groups/held/secrets/q${index}`, { value: 'x' });
    answered += 1;
    return status;
  });
  // Beyond the queue the rest is told at once to come back.
  const waiting = queued.length - 34;
  while (answered < queued.length - waiting) await owner.call('GET', '/me');
  expect((await owner.call('PUT', '/groups/free/secrets/b', { value: 'x' })).status).toBe(201);
  expect((await agent.pullRaw()).status).toBeLessThan(300);
  expect(answered).toBe(queued.length - waiting);
  await holder.query('COMMIT');
  await holder.end();
  const statuses = await Promise.all(queued);
  expect(statuses.filter((status) => status === 201)).toHaveLength(waiting);
  expect(statuses.filter((status) => status === 503)).toHaveLength(queued.length - waiting);
});

test('[F-13] when every database connection is cut, no acknowledged change is lost and delivery comes back by itself', async () => {
  expect(
    (await owner.call('PUT', '/groups/held/secrets/b', { value: 'acknowledged' })).status,
  ).toBe(201);
  await asAdmin(controlPlane.databaseUrl, async (client) => {
    await client.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
  });
  let revealed = await owner.call('POST', '/groups/held/secrets/b/reveal', {});
  while (revealed.status === 503)
    revealed = await owner.call('POST', '/groups/held/secrets/b/reveal', {});
  expect(revealed.body).toMatchObject({ value: 'acknowledged' });

  let pulled = await agent.pullRaw();
  while (pulled.status === 503) pulled = await agent.pullRaw();
  expect(pulled.status).toBe(200);
});

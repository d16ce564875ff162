import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { MAX_EVENTS, PROTOCOL } from '@sallyport/contract';
import type { AgentClient } from '../agent-client.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { eventsOf, leasesOf, lendingIn, NOON, policy } from '../lending.ts';
import { lockWaits, whileHeld } from '../lock-waits.ts';
import { OperatorClient, type Reply } from '../operator-client.ts';

let controlPlane: TestControlPlane;
let second: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER, startMs: NOON });
  const { databaseUrl, rootKey } = controlPlane;
  second = await startControlPlane({
    databaseUrl,
    rootKey,
    startMs: NOON,
    settings: WITHOUT_WORKER,
  });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterAll(async () => {
  await second.end();
  await controlPlane.end();
});

const lent = { ...policy, maxUses: null };

/** Than the control plane has for transactions. */
const MORE_THAN_CONNECTIONS = 16;

const renewed = (agent: AgentClient, lease: string) =>
  agent.call('POST', `/leases/${lease}/renew`, { protocol: PROTOCOL, requestId: 'a' });
const given = (agent: AgentClient, lease: string) =>
  agent.call('POST', `/leases/${lease}/revoke`, { usedUp: false });

/** The same agent, at another replica. */
const atSecond = (agent: AgentClient) => agent.through(second.agentApp);

test.each([
  ['the same replica', (agent: AgentClient) => agent],
  ['another replica', atSecond],
])(
  '[AT-10] an agent that takes leases without a pause keeps no revocation waiting, at %s',
  async (at, through) => {
    const group = at.replace(' ', '-').replace(' ', '-');
    const agent = await lendingIn(controlPlane, owner, group, lent);
    const { databaseUrl } = controlPlane;
    const replies: Promise<Reply>[] = [];
    await whileHeld(databaseUrl, `SELECT FROM secrets FOR UPDATE`, async () => {
      const first = agent.takeLease('db');
      await lockWaits(databaseUrl, 1);
      const revoked = owner.call('POST', `/agents/${agent.id}/revoke`);
      await lockWaits(databaseUrl, 2);
      const next = through(agent).takeLease('db');
      // At the same replica it waits for its turn, and for no lock.
      if (at === 'another replica') await lockWaits(databaseUrl, 3);
      replies.push(first, revoked, next);
    });
    const [first, revoked, next] = await Promise.all(replies);
    expect([first?.status, revoked?.status]).toEqual([201, 200]);
    const refused = { body: { code: 'agent.revoked' } };
    // One that begins in the moment when the row is free may have it before the revocation, which then ends its lease.
    expect([201, 401]).toContain(next?.status);
    expect(await leasesOf(owner, group, '?state=active')).toEqual({ items: [] });
    expect(await through(agent).takeLease('db')).toMatchObject(refused);
  },
);

test('[SG-05] [AT-10] agents that take leases of a secret without a pause keep no new version waiting', async () => {
  const agent = await lendingIn(controlPlane, owner, 'popular', lent);
  const other = await agentIn(owner, 'popular', controlPlane);
  const { databaseUrl } = controlPlane;
  const replies: Promise<Reply>[] = [];
  await whileHeld(databaseUrl, 'LOCK TABLE leases IN EXCLUSIVE MODE', async () => {
    const first = agent.takeLease('db');
    await lockWaits(databaseUrl, 1);
    const written = owner.call('PUT', '/groups/popular/secrets/db', { value: 'new' });
    await lockWaits(databaseUrl, 2);
    const next = atSecond(other).takeLease('db');
    await lockWaits(databaseUrl, 3);
    replies.push(first, written, next);
  });
  const [first, written, next] = await Promise.all(replies);
  expect(first).toMatchObject({ status: 201, body: { version: 1 } });
  expect(written?.status).toBe(200);
  expect(next).toMatchObject({ status: 201, body: { version: 2 } });
});

test('[AT-10] leases that are being taken keep no change of the group or its agents’ tokens waiting', async () => {
  const agent = await lendingIn(controlPlane, owner, 'changed', lent);
  // As each row that is inserted for a group and an agent holds them until its commit.
  const rows = `SELECT FROM groups, agents WHERE agents.group_id = groups.id FOR KEY SHARE`;
  await whileHeld(controlPlane.databaseUrl, rows, async () => {
    const changed = await owner.call('PATCH', '/groups/changed', { clones: 'refuse' });
    expect(changed.status).toBe(200);
    expect((await owner.call('POST', `/agents/${agent.id}/tokens`, {})).status).toBe(201);
  });
});

test('[SG-05] a lease that is asked for while its secret is written is of the new version', async () => {
  const agent = await lendingIn(controlPlane, owner, 'written', lent);
  const { databaseUrl } = controlPlane;
  const id = randomUUID();
  const replies: Promise<Reply>[] = [];
  await whileHeld(databaseUrl, 'LOCK TABLE secret_versions IN EXCLUSIVE MODE', async () => {
    const written = owner.call('PUT', '/groups/written/secrets/db', { value: 'new' });
    await lockWaits(databaseUrl, 1);
    const taken = agent.takeLease('db', { id });
    await lockWaits(databaseUrl, 2);
    replies.push(written, taken);
  });
  const [written, taken] = await Promise.all(replies);
  expect(written?.status).toBe(200);
  expect(taken).toMatchObject({ status: 201, body: { version: 2 } });
  expect(await eventsOf(controlPlane, 'secret:db')).not.toContainEqual(
    expect.objectContaining({ outcome: 'refused' }),
  );
});

test.each([
  ['tells of its acts', 'agents', 204, (agent: AgentClient) => agent.report([{}])],
  [
    'asks for more of a lease',
    'leases',
    409,
    (agent: AgentClient, lease: string) => renewed(agent, lease),
  ],
  ['gives a lease back', 'leases', 204, (agent: AgentClient, lease: string) => given(agent, lease)],
])(
  '[AT-10] an agent that %s without a pause, and waits for a row of %s, keeps nobody from the database',
  async (act, table, answered, send) => {
    const group = act.replaceAll(' ', '-');
    const agent = await lendingIn(controlPlane, owner, group, lent);
    const id = randomUUID();
    expect((await agent.takeLease('db', { id })).status).toBe(201);
    const replies: Promise<Reply>[] = [];
    await whileHeld(controlPlane.databaseUrl, `SELECT FROM ${table} FOR UPDATE`, async () => {
      for (let sent = 0; sent < MORE_THAN_CONNECTIONS; sent += 1) replies.push(send(agent, id));
      await lockWaits(controlPlane.databaseUrl);
      expect((await owner.call('POST', '/groups', { name: `not-${group}` })).status).toBe(201);
    });
    const statuses = (await Promise.all(replies)).map(({ status }) => status);
    expect(statuses).toEqual(replies.map(() => answered));
  },
);

test('[SG-15] an agent takes and renews as many leases as it may tell of events, whatever it has told of, and gives back what it took', async () => {
  const { databaseUrl, rootKey } = controlPlane;
  const rateLimits = {
    perPrincipal: 600,
    perAddress: 1e6,
    eventsPerAgent: 1,
    signInsPerMinute: 1e6,
  };
  const settings = { ...WITHOUT_WORKER, rateLimits };
  const bounded = await startControlPlane({ databaseUrl, rootKey, startMs: NOON, settings });
  const limited = { status: 429, body: { code: 'rate.limited' } };
  const agent = (await lendingIn(controlPlane, owner, 'bounded', lent)).through(bounded.agentApp);
  await agent.report(Array.from({ length: MAX_EVENTS }, () => ({})));
  expect(await agent.report([{}])).toMatchObject(limited);

  const id = randomUUID();
  expect((await agent.takeLease('db', { id })).status).toBe(201);
  expect(await renewed(agent, id)).toMatchObject({ status: 409 });
  for (let asked = 0; asked < 8; asked += 1)
    expect((await agent.takeLease('none')).status).toBe(404);
  expect(await agent.takeLease('db')).toMatchObject(limited);
  expect(await renewed(agent, id)).toMatchObject(limited);
  expect((await given(agent, id)).status).toBe(204);
  const other = await lendingIn(controlPlane, owner, 'bounded', lent);
  expect((await other.through(bounded.agentApp).takeLease('db')).status).toBe(201);
  await bounded.end();
});

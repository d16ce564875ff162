import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { MAX_LEASES, PROTOCOL } from '@sallyport/contract';
import type { AgentClient } from '../agent-client.ts';
import { sql } from '../audit/chain.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { CANARY, eventsOf, leasesOf, lendingIn, NOON, policy } from '../lending.ts';
import { lockWaits, whileHeld } from '../lock-waits.ts';
import { field, OperatorClient } from '../operator-client.ts';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER, startMs: NOON });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterAll(() => controlPlane.end());

const lending = (group: string, lease?: object) => lendingIn(controlPlane, owner, group, lease);
const audited = (subject: string) => eventsOf(controlPlane, subject);
const listed = (group: string, query?: string) => leasesOf(owner, group, query);

describe('a lease', () => {
  test('brings the value to the agent that asked alone, and names the program that it is for', async () => {
    const agent = await lending('granted');
    const id = randomUUID();
    const taken = await agent.takeLease('db', { id });
    expect(taken).toMatchObject({
      status: 201,
      body: { ttlSeconds: 60, version: 1, maxUses: 1, expiresAt: '2030-01-01T12:01:00.000Z' },
    });
    expect(taken.text).not.toContain(CANARY);
    expect(await agent.lent(taken, id)).toBe(CANARY);
    expect(await listed('granted')).toMatchObject({
      items: [{ id, secret: 'db', state: 'active', agentId: agent.id, application: { uid: 1000 } }],
    });
  });

  test('[SG-03] is found in the audit by the id of the program’s request, with the version that it was given', async () => {
    const agent = await lending('traced');
    const id = randomUUID();
    await agent.takeLease('db', { id, requestId: 'trace-of-traced' });
    const events = await sql(
      controlPlane.databaseUrl,
      `SELECT subject, details FROM audit_events WHERE request_id = 'trace-of-traced'`,
    );
    expect(events).toMatchObject([
      {
        subject: `lease:${id}`,
        details: { secret: 'db', version: 1, pid: 42, uid: 1000, listener: '/run/agent.sock' },
      },
    ]);
    expect(JSON.stringify(events)).not.toContain(CANARY);
  });

  test('is the same when it is asked for again after a lost reply, and another agent’s is not', async () => {
    const agent = await lending('again');
    const other = await agentIn(owner, 'again', controlPlane);
    const id = randomUUID();
    await agent.takeLease('db', { id });
    expect(await agent.lent(await agent.takeLease('db', { id }), id)).toBe(CANARY);
    expect(await listed('again')).toMatchObject({ items: [{ id }] });
    expect(await other.takeLease('db', { id })).toMatchObject({
      status: 409,
      body: { code: 'lease.ended' },
    });
  });

  test('[SG-27] is not to be had again under its id once it was given back, or is over', async () => {
    const agent = await lending('over');
    const [givenBack, expired] = [randomUUID(), randomUUID()];
    for (const id of [givenBack, expired]) await agent.takeLease('db', { id });
    await agent.call('POST', `/leases/${givenBack}/revoke`);
    controlPlane.clock.advance(60_000);
    for (const id of [givenBack, expired])
      expect(await agent.takeLease('db', { id })).toMatchObject({
        status: 409,
        body: { code: 'lease.ended' },
      });
    controlPlane.clock.set(NOON);
    expect(await agent.takeLease('db', { id: givenBack })).toMatchObject({ status: 409 });
  });

  test('[SG-39] is shorter where the program asks for less, and never longer than the policy', async () => {
    const agent = await lending('short');
    expect((await agent.takeLease('db', { ttlSeconds: 5 })).body).toMatchObject({ ttlSeconds: 5 });
    expect((await agent.takeLease('db', { ttlSeconds: 86_400 })).body).toMatchObject({
      ttlSeconds: 60,
    });
  });

  test('is refused of a secret that is delivered, that is not there, and of another group', async () => {
    const agent = await lending('refused');
    await lending('foreign');
    await owner.call('PUT', '/groups/foreign/secrets/elsewhere', { value: 'v', lease: policy });
    await owner.call('PUT', '/groups/refused/secrets/delivered', { value: 'v' });
    for (const [name, status, code] of [
      ['delivered', 409, 'secret.not_lent'],
      ['nowhere', 404, 'secret.not_found'],
      ['elsewhere', 404, 'secret.not_found'],
    ] as const)
      expect(await agent.takeLease(name)).toMatchObject({ status, body: { code } });
    expect(await audited('secret:elsewhere')).toContainEqual({
      action: 'lease:grant',
      outcome: 'refused',
      details: { code: 'secret.not_found' },
    });
  });

  test(`[SG-06] an agent holds ${MAX_LEASES} at most, and may take another when one is given back`, async () => {
    const agent = await lending('many');
    const first = randomUUID();
    await agent.takeLease('db', { id: first });
    await sql(
      controlPlane.databaseUrl,
      `INSERT INTO leases SELECT gen_random_uuid(), group_id, secret_id, secret_name, version, agent_id,
          application, request_id, granted_at, expires_at, lasts_until, max_uses, ended_at
        FROM leases, generate_series(2, ${MAX_LEASES}) WHERE id = '${first}'`,
    );
    expect(await agent.takeLease('db')).toMatchObject({
      status: 409,
      body: { code: 'lease.too_many' },
    });
    expect((await agent.takeLease('db', { id: first })).status).toBe(201);
    expect((await agent.call('POST', `/leases/${first}/revoke`)).status).toBe(204);
    expect((await agent.takeLease('db')).status).toBe(201);
    expect((await agent.takeLease('db')).status).toBe(409);
    controlPlane.clock.advance(60_000);
    expect((await agent.takeLease('db')).status).toBe(201);
    controlPlane.clock.set(NOON);
  });
});

describe('[SG-05] outside of its windows', () => {
  const window = { days: ['tue'], from: '11:00', until: '12:01', timeZone: 'UTC' };

  test('a lease is neither granted nor renewed, which is audited, and within them it is', async () => {
    const agent = await lending('hours', { ...policy, windows: [window] });
    const id = randomUUID();
    expect((await agent.takeLease('db', { id, ttlSeconds: 90 })).status).toBe(201);
    const renew = () =>
      agent.call('POST', `/leases/${id}/renew`, { protocol: PROTOCOL, requestId: 'renewal' });
    controlPlane.clock.advance(30_000);
    expect((await renew()).body).toMatchObject({ ttlSeconds: 60 });
    controlPlane.clock.advance(31_000);
    for (const reply of [await agent.takeLease('db'), await renew()])
      expect(reply).toMatchObject({ status: 403, body: { code: 'lease.outside_window' } });
    const refused = { outcome: 'refused', details: { code: 'lease.outside_window' } };
    expect(await audited('secret:db')).toContainEqual({ action: 'lease:grant', ...refused });
    expect(await audited(`lease:${id}`)).toContainEqual({ action: 'lease:renew', ...refused });
    controlPlane.clock.set(NOON);
  });
});

describe('renewing a lease', () => {
  const renew = (agent: AgentClient, id: string, more: object = {}) =>
    agent.call('POST', `/leases/${id}/renew`, {
      protocol: PROTOCOL,
      requestId: 'renewal',
      ...more,
    });

  test('prolongs it from then on, up to the longest that it may last', async () => {
    const agent = await lending('renewed');
    const [over, id] = [randomUUID(), randomUUID()];
    await agent.takeLease('db', { id: over });
    await agent.call('POST', `/leases/${over}/revoke`);
    await agent.takeLease('db', { id });
    controlPlane.clock.advance(30_000);
    expect((await renew(agent, id)).body).toMatchObject({
      ttlSeconds: 60,
      expiresAt: '2030-01-01T12:01:30.000Z',
    });
    controlPlane.clock.advance(50_000);
    expect((await renew(agent, id)).body).toMatchObject({
      ttlSeconds: 20,
      expiresAt: '2030-01-01T12:01:40.000Z',
    });
    expect(await renew(agent, id)).toMatchObject({
      status: 409,
      body: { code: 'lease.not_renewable' },
    });
    controlPlane.clock.advance(20_000);
    expect(await renew(agent, id)).toMatchObject({ status: 409, body: { code: 'lease.ended' } });
    controlPlane.clock.set(NOON);
  });

  test('[SG-39] prolongs it by no more than one lease lasts, whatever the program asks for', async () => {
    const agent = await lending('prolonged');
    const id = randomUUID();
    await agent.takeLease('db', { id });
    controlPlane.clock.advance(30_000);
    expect((await renew(agent, id, { ttlSeconds: 86_400 })).body).toMatchObject({ ttlSeconds: 60 });
    controlPlane.clock.set(NOON);
  });

  test('does not prolong it where nobody has said how long it may last', async () => {
    const agent = await lending('unsaid', { ttlSeconds: 60 });
    const id = randomUUID();
    await agent.takeLease('db', { id });
    controlPlane.clock.advance(30_000);
    expect(await renew(agent, id)).toMatchObject({
      status: 409,
      body: { code: 'lease.not_renewable' },
    });
    controlPlane.clock.set(NOON);
  });

  test('is found by the id of the program’s request, and is not written where it gains little', async () => {
    const agent = await lending('often');
    const id = randomUUID();
    await agent.takeLease('db', { id });
    for (let at = 0; at < 20; at += 1) {
      controlPlane.clock.advance(500);
      expect((await renew(agent, id)).status).toBe(200);
    }
    controlPlane.clock.set(NOON);
    const rows = await sql(
      controlPlane.databaseUrl,
      `SELECT FROM audit_events WHERE subject = 'lease:${id}' AND request_id = 'renewal'`,
    );
    expect(rows).toHaveLength(1);
  });

  test('[SG-03] is not audited as refused where it is the database that fails', async () => {
    const { databaseUrl } = controlPlane;
    const agent = await lending('troubled');
    const id = randomUUID();
    await agent.takeLease('db', { id });
    const row = `SELECT FROM leases WHERE id = '${id}' FOR UPDATE`;
    await whileHeld(databaseUrl, row, async () => {
      const renewed = renew(agent, id);
      await lockWaits(databaseUrl);
      const waiting = `datname = current_database() AND wait_event_type = 'Lock'`;
      await sql(
        databaseUrl,
        `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE ${waiting}`,
      );
      expect(await renewed).toMatchObject({ status: 503, body: { code: 'server.unavailable' } });
    });
    expect((await audited(`lease:${id}`)).map(({ action }) => action)).toEqual(['lease:grant']);
  });

  test('never shortens it, and ends with how its secret is lent out', async () => {
    const agent = await lending('changed');
    const id = randomUUID();
    await agent.takeLease('db', { id });
    expect((await renew(agent, id, { ttlSeconds: 1 })).body).toMatchObject({
      code: 'lease.not_renewable',
    });
    await owner.call('PUT', '/groups/changed/secrets/db', { value: 'delivered', lease: null });
    expect((await renew(agent, id)).body).toMatchObject({ code: 'lease.ended' });
  });

  test('and giving it back are for the agent that holds it', async () => {
    const agent = await lending('own');
    const other = await agentIn(owner, 'own', controlPlane);
    const id = randomUUID();
    await agent.takeLease('db', { id });
    for (const reply of [await renew(other, id), await other.call('POST', `/leases/${id}/revoke`)])
      expect(reply).toMatchObject({ status: 404, body: { code: 'lease.not_found' } });
    expect(await listed('own')).toMatchObject({ items: [{ state: 'active' }] });
  });
});

test('a lease of another group is as one that is not there', async () => {
  const agent = await lending('mine');
  await owner.call('POST', '/groups', { name: 'theirs' });
  const id = randomUUID();
  await agent.takeLease('db', { id });
  const foreign = await owner.call('GET', `/groups/theirs/leases/${id}`);
  const missing = await owner.call('GET', `/groups/theirs/leases/${randomUUID()}`);
  for (const reply of [foreign, missing])
    expect(reply).toMatchObject({ status: 404, body: { code: 'lease.not_found' } });
  expect(field(foreign.body, 'detail')).toBe(field(missing.body, 'detail'));
  expect((await owner.call('GET', `/groups/mine/leases/${id}`)).body).toMatchObject({ id });
});

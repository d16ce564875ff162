import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { forgetExpired } from '../../src/maintenance/forget-expired.ts';
import { sql } from '../audit/chain.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { eventsOf, leasesOf, lendingIn, NOON } from '../lending.ts';
import { OperatorClient } from '../operator-client.ts';

const DAY_MS = 86_400_000;

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER, startMs: NOON });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterAll(() => controlPlane.end());

const lending = (group: string) => lendingIn(controlPlane, owner, group);
const audited = (subject: string) => eventsOf(controlPlane, subject);
const listed = (group: string, query?: string) => leasesOf(owner, group, query);

describe('the end of a lease', () => {
  test('by an operator is told to its agent at once, also of one that it did not name yet', async () => {
    const agent = await lending('told');
    await agent.pull();
    agent.leases = [];
    const waiting = agent.pull(30);
    const id = randomUUID();
    await agent.takeLease('db', { id });
    expect((await owner.call('POST', `/groups/told/leases/${id}/revoke`)).body).toMatchObject({
      state: 'ended',
      endedHow: 'revoked',
    });
    expect(await waiting).toMatchObject({ endedLeases: [], tasks: [] });
    agent.leases = [id];
    expect(await agent.pull(30)).toMatchObject({ endedLeases: [id] });
    expect(await audited(`lease:${id}`)).toMatchObject([
      { action: 'lease:grant' },
      { action: 'lease:revoke', details: { secret: 'db' } },
    ]);
  });

  test('[SG-06] comes for those that its agent knows no more of, as after a start, and not for those that it names, nor for those of others', async () => {
    const agent = await lending('restarted');
    const other = await agentIn(owner, 'restarted', controlPlane);
    const [lost, held] = [randomUUID(), randomUUID()];
    const [returned, others] = [randomUUID(), randomUUID()];
    for (const id of [lost, held, returned]) await agent.takeLease('db', { id });
    await other.takeLease('db', { id: others });
    await agent.call('POST', `/leases/${returned}/revoke`);
    agent.leases = [held];
    agent.leasesForgotten = true;
    await agent.pull();
    for (const [id, how] of [
      [lost, { state: 'ended', endedHow: 'forgotten' }],
      [held, { state: 'active' }],
      [returned, { state: 'ended', endedHow: 'returned' }],
      [others, { state: 'active' }],
    ] as const)
      expect((await owner.call('GET', `/groups/restarted/leases/${id}`)).body).toMatchObject(how);
    await other.call('POST', `/leases/${others}/revoke`);
    // Of what is over it is told what it names, and of no other agent’s.
    agent.leases = [held, others];
    expect(await agent.pull()).toBeUndefined();
  });

  test('is heard of within ten seconds by an agent that waits, though nobody told it', async () => {
    const agent = await lending('deaf');
    const id = randomUUID();
    await agent.takeLease('db', { id });
    agent.leases = [id];
    await agent.pull();
    const waiting = agent.pull(55);
    await sql(
      controlPlane.databaseUrl,
      `UPDATE leases SET ended_at = granted_at WHERE id = '${id}'`,
    );
    await waiting;
    expect(await agent.pull()).toMatchObject({ endedLeases: [id] });
  }, 20_000);

  test('comes with that of its secret', async () => {
    const agent = await lending('deleted');
    const id = randomUUID();
    await agent.takeLease('db', { id });
    agent.leases = [id];
    await agent.pull();
    await owner.call('DELETE', '/groups/deleted/secrets/db');
    expect(await agent.pull(10)).toMatchObject({ endedLeases: [id] });
    expect(await listed('deleted')).toMatchObject({ items: [{ id, endedHow: 'secretDeleted' }] });
  });

  test.each([
    ['gave back', undefined, 'returned'],
    ['used up', { usedUp: true }, 'usedUp'],
    ['gave back before it was used up', { usedUp: false }, 'returned'],
  ])('tells what its program %s', async (_, body, endedHow) => {
    const agent = await lending(`told-${endedHow}-${String(body?.usedUp)}`.toLowerCase());
    const id = randomUUID();
    await agent.takeLease('db', { id });
    expect((await agent.call('POST', `/leases/${id}/revoke`, body)).status).toBe(204);
    const path = `/groups/told-${endedHow}-${String(body?.usedUp)}`.toLowerCase();
    expect((await owner.call('GET', `${path}/leases/${id}`)).body).toMatchObject({
      state: 'ended',
      endedHow,
      agentName: expect.stringMatching(/./),
    });
  });

  test('that its agent tells in words that are not known is refused, and does not come', async () => {
    const agent = await lending('unknown-words');
    const id = randomUUID();
    await agent.takeLease('db', { id });
    const reply = await agent.call('POST', `/leases/${id}/revoke`, { usedUp: 'yes' });
    expect(reply).toMatchObject({ status: 400, body: { code: 'request.invalid' } });
    expect(await listed('unknown-words')).toMatchObject({
      items: [{ state: 'active', endedHow: null }],
    });
  });

  test('comes with that of its agent', async () => {
    const agent = await lending('revoked');
    await agent.takeLease('db');
    await owner.call('POST', `/agents/${agent.id}/revoke`);
    expect(await listed('revoked', '?state=ended')).toMatchObject({
      items: [{ secret: 'db', endedHow: 'agentRevoked' }],
    });
    expect((await agent.takeLease('db')).status).toBe(401);
  });

  test('comes with a move of its agent to another group', async () => {
    const agent = await lending('left');
    await owner.call('POST', '/groups', { name: 'entered' });
    await agent.takeLease('db');
    await owner.call('POST', `/agents/${agent.id}/move`, { group: 'entered' });
    expect(await listed('left')).toMatchObject({
      items: [{ state: 'ended', endedHow: 'agentMoved' }],
    });
  });

  test('a second time changes nothing and is not recorded again', async () => {
    const agent = await lending('twice');
    const id = randomUUID();
    await agent.takeLease('db', { id });
    for (const _ of [1, 2]) {
      await agent.call('POST', `/leases/${id}/revoke`);
      await owner.call('POST', `/groups/twice/leases/${id}/revoke`);
    }
    expect(await audited(`lease:${id}`)).toHaveLength(2);
  });

  test('that came by itself stays that', async () => {
    const agent = await lending('expired');
    const id = randomUUID();
    await agent.takeLease('db', { id });
    controlPlane.clock.advance(60_000);
    agent.leasesForgotten = true;
    await agent.pull();
    const ended = await owner.call('POST', `/groups/expired/leases/${id}/revoke`);
    expect(ended.body).toMatchObject({ state: 'expired', endedHow: null });
    controlPlane.clock.set(NOON);
  });

  test('leaves a record for thirty days, and then only that of the audit', async () => {
    const agent = await lending('forgotten');
    await agent.takeLease('db');
    const { platform, clock, databaseUrl } = controlPlane;
    const kept = () =>
      sql(databaseUrl, `SELECT FROM leases WHERE agent_id = '${agent.id}'`).then(
        (rows) => rows.length,
      );
    clock.advance(29 * DAY_MS);
    await forgetExpired(platform);
    expect(await kept()).toBe(1);
    clock.advance(2 * DAY_MS);
    await forgetExpired(platform);
    expect(await kept()).toBe(0);
    clock.set(NOON);
    // Sessions were forgotten too.
    owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  });
});

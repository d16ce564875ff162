import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { agentAction, MAX_EVENTS } from '@sallyport/contract';
import type { AgentClient } from '../agent-client.ts';
import { placeAll, sql } from '../audit/chain.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { OperatorClient } from '../operator-client.ts';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let agent: AgentClient;
beforeAll(async () => {
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  agent = await agentIn(owner, 'plant-7', controlPlane);
});
afterAll(() => controlPlane.end());

const recorded = (action: string) =>
  sql<{ subject: string; requestId: string }>(
    controlPlane.databaseUrl,
    `SELECT subject, actor_kind AS "actorKind", actor_id AS "actorId", outcome, request_id AS "requestId",
            details FROM audit_events WHERE action = '${action}' AND actor_kind = 'agent' ORDER BY seq`,
  );

test('[SG-03] what an agent tells is found by the id of the program’s request, with who it was and which version', async () => {
  const application = { listener: '/run/shop.sock', pid: 7, uid: 1000, gid: 100 };
  const at = '2029-12-31T23:59:00.000Z';
  const event = { at, requestId: 'shop-request-1', application, version: 3, count: 5 };
  expect((await agent.report([event])).status).toBe(204);
  await placeAll(controlPlane);
  const { body } = await owner.call('GET', '/audit?requestId=shop-request-1');
  expect(body).toMatchObject({
    items: [
      {
        event: {
          action: 'value:read',
          subject: 'secret:db/password',
          actor: { kind: 'agent', id: agent.id, name: 'host-1' },
          details: { happenedAt: at, count: 5, version: 3, pid: 7, uid: 1000, gid: 100 },
        },
      },
    ],
  });
});

test('a batch that is told again after a lost reply is recorded once, and the next one is', async () => {
  const batch = randomUUID();
  for (const _ of [1, 2]) await agent.report([{ action: 'agent:start', subject: 'one' }], batch);
  await agent.report([{ action: 'agent:start', subject: 'two' }]);
  expect((await recorded('agent:start')).map(({ subject }) => subject)).toEqual(['one', 'two']);
});

test('[SG-15] every act of an agent is recorded under its own request where no program asked', async () => {
  await agent.report(agentAction.options.map((action) => ({ action, code: 'a.code' })));
  for (const action of agentAction.options) {
    const [event] = (await recorded(action)).toReversed();
    expect(event).toMatchObject({ actorId: agent.id, details: { code: 'a.code' } });
    expect(event?.requestId).toMatch(/^[0-9a-f-]{36}$/);
  }
});

test('[SG-03] events of kinds that are not known are counted, none of them is recorded, and the others of their batch are', async () => {
  const subject = randomUUID();
  const batch = randomUUID();
  const report = () =>
    agent.call('POST', '/events', {
      protocol: 5,
      batch,
      group: agent.enrolled?.group.id,
      events: [
        event(subject),
        { ...event(subject), action: 'value:canary', count: 4 },
        { action: 'secret:reveal', subject: 'canary', more: ['canary'] },
        { ...event(subject), action: 'value:refuse' },
      ],
    });
  for (const _ of [1, 2]) expect((await report()).status).toBe(204);
  for (const action of ['value:read', 'value:refuse'])
    expect((await recorded(action)).filter((found) => found.subject === subject)).toHaveLength(1);
  const drops = await recorded('events:drop');
  expect(drops.at(-1)).toMatchObject({
    subject: 'agent',
    outcome: 'done',
    actorId: agent.id,
    details: { code: 'event.unknown', count: 5 },
  });
  expect(drops.filter((drop) => JSON.stringify(drop).includes('event.unknown'))).toHaveLength(1);
  const all = await sql(controlPlane.databaseUrl, 'SELECT * FROM audit_events');
  expect(JSON.stringify(all)).not.toContain('canary');
  for (const action of ['value:canary', 'secret:reveal'])
    expect(await recorded(action)).toEqual([]);
});

test.each([
  ['an act that is none', { action: 7 }],
  ['an act without end', { action: 'canary'.repeat(100) }],
  ['an outcome that there is not', { outcome: 'canary' }],
  ['a request id that is none', { requestId: 'a b' }],
  ['a field that is not known', { value: 'canary' }],
  ['a subject without end', { subject: 'canary'.repeat(100) }],
])('%s is refused, and nothing of the batch is recorded', async (_, change) => {
  const subject = randomUUID();
  const reply = await agent.call('POST', '/events', {
    protocol: 5,
    batch: randomUUID(),
    group: agent.enrolled?.group.id,
    events: [event(subject), { ...event(subject), ...change }],
  });
  expect(reply).toMatchObject({ status: 400, body: { code: 'request.invalid' } });
  expect(reply.text).not.toContain('canary');
  expect((await recorded('value:read')).filter((found) => found.subject === subject)).toEqual([]);
});

test('what happened before a move is in the audit of neither group, and of the whole', async () => {
  const moved = await agentIn(owner, 'plant-7', controlPlane);
  await owner.call('POST', '/groups', { name: 'plant-8' });
  await owner.call('POST', `/agents/${moved.id}/move`, { group: 'plant-8' });
  await moved.openSession();
  await moved.report([{ subject: 'secret:of-plant-7' }]);
  const events = await sql(
    controlPlane.databaseUrl,
    `SELECT group_id AS "groupId" FROM audit_events WHERE subject = 'secret:of-plant-7'`,
  );
  expect(events).toEqual([{ groupId: null }]);
});

test(`no more than ${MAX_EVENTS} come at once`, async () => {
  const events = Array.from({ length: MAX_EVENTS + 1 }, () => ({ subject: 'many' }));
  expect((await agent.report(events)).status).toBe(400);
  expect((await agent.report(events.slice(1))).status).toBe(204);
});

test('[F-11] of an agent that is revoked nothing more is recorded', async () => {
  const leaving = await agentIn(owner, 'plant-7', controlPlane);
  await owner.call('POST', `/agents/${leaving.id}/revoke`);
  expect((await leaving.report([{ subject: 'after the end' }])).status).toBe(401);
});

function event(subject: string) {
  const at = new Date(controlPlane.clock.now()).toISOString();
  const rest = { requestId: null, application: null, count: 1, code: null, version: null };
  return { at, action: 'value:read', subject, outcome: 'done', ...rest };
}

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import type { AgentClient } from '../agent-client.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { OperatorClient, type Reply } from '../operator-client.ts';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let agent: AgentClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  await owner.call('POST', '/groups', { name: 'plant-7' });
});
beforeEach(async () => {
  agent = await agentIn(owner, 'plant-7', controlPlane);
  await allow('report');
});
afterAll(() => controlPlane.end());

const allow = (clones: string) => owner.call('PATCH', '/groups/plant-7', { clones });
/** A generation by its number, as an agent would draw one. */
const drawn = (number: number) => String(number).padStart(22, '0');
const open = (current: number | null, next: number): Promise<Reply> =>
  agent.openSession(undefined, {
    current: current === null ? null : drawn(current),
    next: drawn(next),
  });
const sessionOver = { status: 401, body: { code: 'access_token.expired' } };
const cloned = {
  status: 401,
  body: { code: 'agent.cloned', detail: expect.stringMatching(/enrol it anew and revoke/) },
};

async function events(): Promise<Record<string, unknown>[]> {
  return asAdmin(controlPlane.databaseUrl, async (client) => {
    const sql = `SELECT outcome FROM audit_events WHERE action = 'agent:clone' AND subject = 'agent:${agent.id}'`;
    return (await client.query<Record<string, unknown>>(sql)).rows;
  });
}

describe('[F-10] an agent whose state directory was copied', () => {
  test('is told from one that goes on, and from one whose reply was lost', async () => {
    await allow('refuse');
    for (const [current, next] of [
      [null, 1],
      [1, 2],
      [1, 2],
      [2, 3],
    ] as const)
      expect((await open(current, next)).status).toBe(200);
    expect(await events()).toEqual([]);
    expect((await owner.call('GET', `/agents/${agent.id}`)).body).toMatchObject({ clonedAt: null });
  });

  test('is reported, once in an hour, and shown; both go on', async () => {
    await open(null, 1);
    await open(1, 2);
    for (const [current, next] of [
      [1, 3],
      [2, 4],
      [3, 5],
    ] as const)
      expect((await open(current, next)).status).toBe(200);
    expect(await events()).toEqual([{ outcome: 'done' }]);
    expect((await owner.call('GET', `/agents/${agent.id}`)).body).toMatchObject({
      clonedAt: expect.any(String),
    });
    controlPlane.clock.advance(3_600_001);
    expect((await open(4, 6)).status).toBe(200);
    expect(await events()).toHaveLength(2);
  });

  test.each([
    ['shows a generation that is over', () => open(1, 3)],
    ['shows that it never had one', () => open(null, 3)],
    ['shows none', () => agent.openSession()],
  ])('is refused by policy when it %s, and the first goes on', async (_, come) => {
    await allow('refuse');
    await open(null, 1);
    await open(1, 2);
    expect(await come()).toMatchObject(cloned);
    expect(await come()).toMatchObject(cloned);
    expect(await events()).toEqual([{ outcome: 'refused' }]);
    expect((await open(2, 4)).status).toBe(200);
  });

  test('and that runs on is told from its copy at its next renewal; its copy cannot be told from it', async () => {
    await allow('refuse');
    await open(null, 1);
    const original = agent.accessToken;
    expect((await open(1, 2)).status).toBe(200);
    const copy = agent.accessToken;
    agent.accessToken = original;
    expect(await agent.renewSession()).toMatchObject(sessionOver);
    expect(await events()).toEqual([]);
    expect(await open(1, 3)).toMatchObject(cloned);
    expect(await events()).toEqual([{ outcome: 'refused' }]);
    agent.accessToken = copy;
    expect((await agent.renewSession()).status).toBe(200);
    expect((await agent.renewSession()).status).toBe(200);
  });

  test('is told from one that goes on with a session whose successor’s reply was lost', async () => {
    await allow('refuse');
    await open(null, 1);
    const held = agent.accessToken;
    await open(1, 2);
    agent.accessToken = held;
    expect(await agent.renewSession()).toMatchObject(sessionOver);
    expect((await open(1, 2)).status).toBe(200);
    expect((await agent.renewSession()).status).toBe(200);
    expect(await events()).toEqual([]);
  });

  test('is refused one of two that come at once', async () => {
    await allow('refuse');
    await open(null, 1);
    const replies = await Promise.all([open(1, 2), open(1, 3)]);
    expect(replies.map(({ status }) => status).toSorted()).toEqual([200, 401]);
  });
});

test('an agent that never shows a generation, as an older one, opens sessions as before', async () => {
  await allow('refuse');
  for (const _ of [1, 2]) expect((await agent.openSession()).status).toBe(200);
  expect((await agent.renewSession()).status).toBe(200);
  expect(await events()).toEqual([]);
});

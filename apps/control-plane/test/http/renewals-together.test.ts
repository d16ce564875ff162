import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { decodeJwt } from 'jose';
import type { Database } from '../../src/platform/db.ts';
import type { AgentClient } from '../agent-client.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { field, OperatorClient } from '../operator-client.ts';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  for (const name of ['plant-7', 'plant-8']) await owner.call('POST', '/groups', { name });
});
afterAll(() => controlPlane.end());

async function byKey(group: string): Promise<AgentClient> {
  const agent = await agentIn(owner, group, controlPlane);
  await agent.openSession();
  return agent;
}

async function byToken(): Promise<{ agent: AgentClient; tokenId: string }> {
  const agent = await agentIn(owner, 'plant-7', controlPlane);
  const created = await owner.call('POST', `/agents/${agent.id}/tokens`, {});
  await agent.openSessionWith(field(created.body, 'token'));
  return { agent, tokenId: field(created.body, 'id') };
}

test('[F-20] a group that this replica cannot read keeps nobody of another one out', async () => {
  const [seven, eight] = [await byKey('plant-7'), await byKey('plant-8')];
  const set = (methods: string) =>
    asAdmin(controlPlane.databaseUrl, (client) =>
      client.query(`UPDATE groups SET agent_methods = ${methods} WHERE name = 'plant-8'`),
    );
  await set("agent_methods || '{by_a_newer_version}'");
  try {
    const replies = await Promise.all([seven, eight, seven].map((agent) => agent.renewSession()));
    expect(replies.map(({ status }) => status)).toEqual([200, 500, 200]);
  } finally {
    await set("array_remove(agent_methods, 'by_a_newer_version')");
  }
  expect((await eight.renewSession()).status).toBe(200);
});

test('[F-12] agents that renew at the same time are looked up with a few statements', async () => {
  const agent = await byKey('plant-7');
  const { db } = controlPlane.platform;
  const direct: Database['direct'] = db.direct.bind(db);
  let statements = 0;
  db.direct = async (statement, values) => {
    statements += 1;
    return direct(statement, values);
  };
  const replies = await Promise.all(Array.from({ length: 100 }, () => agent.renewSession()));
  expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
  expect(statements).toBeLessThan(30);
});

test('[SG-23] [AX-17] agents that renew at the same time are each told by its own standing: group, token, revocation', async () => {
  const [seven, eight, revoked, gone] = [
    await byKey('plant-7'),
    await byKey('plant-8'),
    await byKey('plant-7'),
    await byKey('plant-8'),
  ];
  const [good, ended] = [await byToken(), await byToken()];
  // Past the replica's own knowledge, so that only the statement that all of them share tells.
  await asAdmin(controlPlane.databaseUrl, async (client) => {
    await client.query('UPDATE agents SET revoked_at = now() WHERE id = $1', [revoked.id]);
    await client.query('UPDATE agent_tokens SET revoked_at = now() WHERE id = $1', [ended.tokenId]);
    await client.query('DELETE FROM agents WHERE id = $1', [gone.id]);
  });
  const agents = [seven, ended.agent, gone, good.agent, revoked, eight, seven, eight];
  const replies = await Promise.all(agents.map((agent) => agent.renewSession()));
  const told = replies.map(({ status, body }) => [
    status,
    status === 200 ? decodeJwt(field(body, 'accessToken'))['group'] : field(body, 'code'),
  ]);
  const [of7, of8] = [seven, eight].map(({ accessToken = '' }) => decodeJwt(accessToken)['group']);
  expect(of7).not.toBe(of8);
  expect(told).toEqual([
    [200, of7],
    [401, 'agent_token.revoked'],
    [401, 'agent.unknown'],
    [200, of7],
    [401, 'agent.revoked'],
    [200, of8],
    [200, of7],
    [200, of8],
  ]);
});

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { AgentClient } from '../agent-client.ts';
import { OWNER_PASSWORD, startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { field, OperatorClient, type Reply } from '../operator-client.ts';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterAll(() => controlPlane.end());

async function sql(statement: string): Promise<Record<string, unknown>[]> {
  return asAdmin(controlPlane.databaseUrl, async (client) => {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  });
}

type Change = { action: string; outcome?: 'refused'; act: () => Promise<Reply> };

const GROUP = '/groups/plant-7';

/** Every change that the API knows, in an order in which each is possible. */
async function changes(): Promise<Change[]> {
  let token = '';
  let tokenId = '';
  const agent = await AgentClient.create(controlPlane.agentApp, controlPlane.clock);
  const late = await AgentClient.create(controlPlane.agentApp, controlPlane.clock);
  const signIn = (password: string) =>
    new OperatorClient(controlPlane.operatorApp).call('POST', '/sessions', {
      name: 'owner',
      password,
    });
  const signOut = async () =>
    (await OperatorClient.signedIn(controlPlane.operatorApp)).call('DELETE', '/sessions/current');
  const makeToken = async () => {
    const reply = await owner.call('POST', `${GROUP}/enrollment-tokens`, {});
    [token, tokenId] = [field(reply.body, 'token'), field(reply.body, 'id')];
    return reply;
  };
  return [
    { action: 'session:create', outcome: 'refused', act: () => signIn('not the password') },
    { action: 'session:create', act: () => signIn(OWNER_PASSWORD) },
    { action: 'session:delete', act: signOut },
    { action: 'group:create', act: () => owner.call('POST', '/groups', { name: 'plant-7' }) },
    { action: 'enrollment-token:create', act: makeToken },
    { action: 'agent:enroll', act: () => agent.enroll(token) },
    { action: 'agent:enroll', outcome: 'refused', act: () => late.enroll(token) },
    {
      action: 'enrollment-token:revoke',
      act: () => owner.call('DELETE', `${GROUP}/enrollment-tokens/${tokenId}`),
    },
    {
      action: 'task:create',
      act: () => owner.call('POST', `/agents/${agent.id}/tasks`, { kind: 'diagnose' }),
    },
    {
      action: 'secret:write',
      act: () => owner.call('PUT', `${GROUP}/secrets/a`, { value: 'value' }),
    },
    { action: 'secret:reveal', act: () => owner.call('POST', `${GROUP}/secrets/a/reveal`, {}) },
    { action: 'secret:delete', act: () => owner.call('DELETE', `${GROUP}/secrets/a`) },
    {
      action: 'plugin:write',
      act: () => owner.call('PUT', `${GROUP}/plugins/p`, { config: { a: 1 } }),
    },
    { action: 'plugin:delete', act: () => owner.call('DELETE', `${GROUP}/plugins/p`) },
    { action: 'agent:revoke', act: () => owner.call('POST', `/agents/${agent.id}/revoke`) },
  ];
}

test('every change leaves an audit event of who did it, with its outcome', async () => {
  for (const { action, outcome = 'done', act } of await changes()) {
    const [before] = await sql('SELECT count(*)::int AS events FROM audit_events');
    const reply = await act();
    expect({ action, refused: reply.status >= 400 }).toEqual({
      action,
      refused: outcome === 'refused',
    });
    const events = await sql(
      `SELECT action, outcome, actor_name <> '' AS named, request_id <> '' AS traced
         FROM audit_events ORDER BY at, id OFFSET ${Number(before?.['events'])}`,
    );
    expect(events).toContainEqual({ action, outcome, named: true, traced: true });
  }
});

test('a role that may only look is refused every change, and nothing is changed', async () => {
  await owner.call('PUT', `${GROUP}/secrets/kept`, { value: 'kept' });
  const [enrolled] = await sql('SELECT id FROM agents');
  const [token] = await sql('SELECT id FROM enrollment_tokens');
  await sql(`UPDATE operators SET role = 'viewer'`);
  const counts = () =>
    sql(`SELECT (SELECT count(*) FROM groups) AS groups, (SELECT sum(revision) FROM groups) AS revisions,
                (SELECT count(*) FROM enrollment_tokens WHERE revoked_at IS NULL) AS tokens,
                (SELECT count(*) FROM tasks) AS tasks`);
  const before = await counts();
  const refused: [method: 'POST' | 'PUT' | 'DELETE', path: string, body?: object][] = [
    ['POST', '/groups', { name: 'plant-8' }],
    ['POST', `${GROUP}/enrollment-tokens`, {}],
    ['DELETE', `${GROUP}/enrollment-tokens/${String(token?.['id'])}`],
    ['POST', `/agents/${String(enrolled?.['id'])}/tasks`, { kind: 'diagnose' }],
    ['POST', `/agents/${String(enrolled?.['id'])}/revoke`],
    ['PUT', `${GROUP}/secrets/kept`, { value: 'changed' }],
    ['POST', `${GROUP}/secrets/kept/reveal`, {}],
    ['DELETE', `${GROUP}/secrets/kept`],
    ['PUT', `${GROUP}/plugins/p`, { config: {} }],
    ['DELETE', `${GROUP}/plugins/p`],
  ];
  for (const [method, path, body] of refused) {
    const { status, body: problem } = await owner.call(method, path, body);
    expect({ method, path, status, problem }).toMatchObject({
      status: 403,
      problem: { code: 'permission.denied' },
    });
  }
  expect(await counts()).toEqual(before);
  expect((await owner.call('GET', `${GROUP}/secrets`)).status).toBe(200);
  await sql(`UPDATE operators SET role = 'owner'`);
});

test('[SG-11] every change to what a group receives moves its revision by one, and a look does not', async () => {
  const revision = async () => {
    const [row] = await sql(`SELECT revision::int FROM groups WHERE name = 'plant-7'`);
    return Number(row?.['revision']);
  };
  let expected = await revision();
  const steps: [method: 'GET' | 'PUT' | 'POST' | 'DELETE', path: string, body?: object][] = [
    ['PUT', `${GROUP}/secrets/b`, { value: 'value' }],
    ['PUT', `${GROUP}/plugins/p`, { config: { a: 1 } }],
    ['DELETE', `${GROUP}/plugins/p`],
    ['DELETE', `${GROUP}/secrets/b`],
  ];
  for (const [method, path, body] of steps) {
    expect((await owner.call(method, path, body)).status).toBeLessThan(300);
    expected += 1;
    expect({ method, path, revision: await revision() }).toEqual({
      method,
      path,
      revision: expected,
    });
  }
  await owner.call('GET', `${GROUP}/secrets`);
  await owner.call('POST', `${GROUP}/secrets/kept/reveal`, {});
  expect(await revision()).toBe(expected);
});

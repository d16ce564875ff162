import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { DIAGNOSIS } from '../diagnosis.ts';
import { agentIn } from '../group-agents.ts';
import { field, OperatorClient } from '../operator-client.ts';

/** The safety net looks every three seconds: three in a row are as quick by wake-ups alone. */
const AT_ONCE_MS = 1_000;
const TOKEN_REVOKED = { status: 401, body: { code: 'agent_token.revoked' } };
const REVOKED = { status: 401, body: { code: 'agent.revoked' } };

let controlPlane: TestControlPlane;
let second: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  const { databaseUrl, rootKey } = controlPlane;
  second = await startControlPlane({ databaseUrl, rootKey });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterAll(async () => {
  await second.end();
  await controlPlane.end();
});

const put = (group: string, name: string, value: string) =>
  owner.call('PUT', `/groups/${group}/secrets/${name}`, { value });

test('[F-11] a revocation ends the pulls that wait on another replica at once', async () => {
  for (const group of ['at-once-1', 'at-once-2', 'at-once-3']) {
    const agent = await agentIn(owner, group, second);
    await agent.pull();
    const waiting = agent.pullRaw(30);
    const begun = performance.now();
    await owner.call('POST', `/agents/${agent.id}/revoke`);
    expect(await waiting).toMatchObject(REVOKED);
    expect(performance.now() - begun).toBeLessThan(AT_ONCE_MS);
  }
});

test('[F-11] an agent’s id in upper case is the same agent: its pull ends at once, and the audit knows it', async () => {
  const agent = await agentIn(owner, 'upper-case', second);
  await agent.pull();
  const waiting = agent.pullRaw(30);
  const begun = performance.now();
  await owner.call('POST', `/agents/${agent.id.toUpperCase()}/revoke`);
  expect(await waiting).toMatchObject(REVOKED);
  expect(performance.now() - begun).toBeLessThan(AT_ONCE_MS);
  await asAdmin(controlPlane.databaseUrl, async (client) => {
    const sql = `SELECT FROM audit_events WHERE action = 'agent:revoke' AND subject = $1`;
    expect((await client.query(sql, [`agent:${agent.id}`])).rowCount).toBe(1);
  });
});

test('[AX-17] [AT-11] revoking an agent token ends, on another replica and at once, the pulls of the session that it opened, and no other', async () => {
  for (const group of ['token-1', 'token-2', 'token-3']) {
    const agent = await agentIn(owner, group, second);
    const other = await agentIn(owner, group, second);
    const path = `/agents/${agent.id}/tokens`;
    const [first, next] = [await owner.call('POST', path, {}), await owner.call('POST', path, {})];
    await agent.openSessionWith(field(first.body, 'token'));
    for (const each of [agent, other]) await each.pull();
    const [waiting, unharmed] = [agent.pullRaw(30), other.pullRaw(1)];
    const begun = performance.now();
    await owner.call('POST', `${path}/${field(first.body, 'id')}/revoke`);
    expect(await waiting).toMatchObject(TOKEN_REVOKED);
    expect(performance.now() - begun).toBeLessThan(AT_ONCE_MS);
    expect(await agent.renewSession()).toMatchObject(TOKEN_REVOKED);
    expect((await unharmed).status).toBe(204);
    expect((await agent.openSessionWith(field(next.body, 'token'))).status).toBe(200);
    expect((await agent.pullRaw()).status).toBe(204);
  }
});

test('a revocation begins an epoch whose key the revoked agent never had', async () => {
  const staying = await agentIn(owner, 'epochs', controlPlane);
  const leaving = await agentIn(owner, 'epochs', controlPlane);
  await put('epochs', 'a', 'before');
  for (const agent of [staying, leaving]) await agent.pull();
  const { epoch } = staying;
  await owner.call('POST', `/agents/${leaving.id}/revoke`);
  await put('epochs', 'a', 'after');
  let pulled = await staying.pull(30);
  while (pulled?.bundle === undefined || (await staying.open(pulled))['a'] !== 'after')
    pulled = await staying.pull(30);
  expect(staying.epoch).toBe(epoch + 1);
  await expect(leaving.open(pulled)).rejects.toMatchObject({ code: 'bundle.unreadable' });
});

test('a revoked agent is refused everything that its access token was good for, and operators cannot give it tasks', async () => {
  const agent = await agentIn(owner, 'refused', controlPlane);
  await put('refused', 'a', 'value');
  await agent.pull();
  await owner.call('POST', `/agents/${agent.id}/revoke`);
  const task = `/tasks/${crypto.randomUUID()}`;
  const bundle = `/revisions/${agent.revision}/bundle`;
  // The wake-up is on its way; until it is here the answer is that so small a bundle is not kept.
  let reply = await agent.call('GET', bundle);
  while (reply.status === 404) reply = await agent.call('GET', bundle);
  expect(reply).toMatchObject(REVOKED);
  const calls: [method: 'POST', path: string, body: unknown][] = [
    ['POST', `${task}/extend`, { lock: 'x' }],
    ['POST', `${task}/complete`, { lock: 'x', result: DIAGNOSIS }],
    ['POST', `${task}/fail`, { lock: 'x', error: 'x' }],
  ];
  for (const [method, path, body] of calls)
    expect(await agent.call(method, path, body)).toMatchObject(REVOKED);
  expect(await owner.call('POST', `/agents/${agent.id}/tasks`, { kind: 'diagnose' })).toMatchObject(
    { status: 404, body: { code: 'agent.not_found' } },
  );
});

test('an agent whose revocation this replica has not heard of gets no key of an epoch that it lacks', async () => {
  const agent = await agentIn(owner, 'unheard', controlPlane);
  await put('unheard', 'a', 'value');
  await asAdmin(controlPlane.databaseUrl, (client) =>
    client.query('UPDATE agents SET revoked_at = now() WHERE id = $1', [agent.id]),
  );
  expect(await agent.pullRaw()).toMatchObject(REVOKED);
});

test('an agent whose move this replica has not heard of gets no key of the group that it left', async () => {
  const agent = await agentIn(owner, 'left', controlPlane);
  await put('left', 'a', 'value');
  await owner.call('POST', '/groups', { name: 'joined' });
  await asAdmin(controlPlane.databaseUrl, (client) =>
    client.query(
      `UPDATE agents SET group_id = (SELECT id FROM groups WHERE name = 'joined') WHERE id = $1`,
      [agent.id],
    ),
  );
  expect(await agent.pullRaw()).toMatchObject({
    status: 401,
    body: { code: 'access_token.expired' },
  });
});

test('revoking twice is the same as once: the group’s revision stays, and nothing is sent anew', async () => {
  const agent = await agentIn(owner, 'twice', controlPlane);
  await owner.call('POST', `/agents/${agent.id}/revoke`);
  const once = await owner.call('GET', '/groups/twice');
  expect((await owner.call('POST', `/agents/${agent.id}/revoke`)).status).toBe(200);
  expect((await owner.call('GET', '/groups/twice')).body).toEqual(once.body);
});

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { agent as shownAgent, page } from '@sallyport/contract';
import { AgentClient } from '../agent-client.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { field, OperatorClient } from '../operator-client.ts';

/** More than is sent within a pull: such a bundle is fetched by its path. */
const LARGE = 'x'.repeat(60_000);

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let inA: AgentClient;
let inB: AgentClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  inA = await agentIn(owner, 'tenant-a', controlPlane);
  inB = await agentIn(owner, 'tenant-b', controlPlane);
});
afterAll(() => controlPlane.end());

test('[AT-03] a large bundle is fetched by the agents of its group and is not there for another group’s', async () => {
  for (const name of ['one', 'two'])
    await owner.call('PUT', `/groups/tenant-a/secrets/${name}`, { value: LARGE });
  const pulled = await inA.pull();
  const path = `/revisions/${inA.revision}/bundle`;
  expect(pulled).toMatchObject({ bundleAt: `/agent/v1${path}` });
  const own = await inA.call('GET', path);
  expect(own.status).toBe(200);
  expect(await inB.call('GET', path)).toMatchObject({
    status: 404,
    body: { code: 'bundle.not_found' },
  });
  const { etag } = own.headers;
  expect((await inB.call('GET', path, undefined, { 'if-none-match': String(etag) })).status).toBe(
    404,
  );
});

test('[AT-03] an enrollment token makes an agent of its own group, whatever else is asked for', async () => {
  const created = await owner.call('POST', '/groups/tenant-a/enrollment-tokens', {});
  const agent = await AgentClient.create(controlPlane.agentApp, controlPlane.clock);
  const token = field(created.body, 'token');
  const refused = await agent.enroll(token, { group: 'tenant-b' });
  expect(refused).toMatchObject({ status: 400, body: { code: 'request.invalid' } });
  expect((await agent.enroll(token)).status).toBe(201);
  expect(agent.enrolled?.group.name).toBe('tenant-a');
  expect((await owner.call('GET', '/groups/tenant-a/agents')).text).toContain(agent.id);
  expect((await owner.call('GET', '/groups/tenant-b/agents')).text).not.toContain(agent.id);
});

test('[AT-03] the list of all agents has those of the groups that the caller may see, page by page', async () => {
  await owner.call('POST', '/groups', { name: 'tenant-c' });
  const another = await agentIn(owner, 'tenant-c', controlPlane);
  const listed = async (client: OperatorClient, query: string) =>
    page(shownAgent).parse((await client.call('GET', `/agents?${query}`)).body);
  const roles = ['tenant-b', 'tenant-c'].map((group) => ({ role: 'viewer', group }));
  const { body: key } = await owner.call('POST', '/api-keys', { name: 'lists', roles });
  const ofTwo = new OperatorClient(controlPlane.operatorApp);
  ofTwo.token = field(key, 'key');
  const first = await listed(ofTwo, 'limit=1');
  expect(first).toMatchObject({ items: [{ id: inB.id, group: 'tenant-b' }] });
  const second = await listed(ofTwo, `limit=1&cursor=${first.nextCursor}`);
  expect(second).toEqual({ items: [expect.objectContaining({ id: another.id })] });
  const ids = async (query: string) => (await listed(owner, query)).items.map(({ id }) => id);
  expect(await ids('')).toEqual(expect.arrayContaining([inA.id, inB.id, another.id]));
  await owner.call('POST', `/agents/${another.id}/revoke`);
  expect(await ids('state=revoked')).toEqual([another.id]);
  await owner.call('POST', `/api-keys/${field(key, 'id')}/revoke`);
  expect((await owner.call('DELETE', '/groups/tenant-c')).status).toBe(204);
  expect(await ids('state=revoked')).toEqual([]);
});

test('[AT-03] a token cannot be revoked through another group', async () => {
  const created = await owner.call('POST', '/groups/tenant-a/enrollment-tokens', {});
  const id = field(created.body, 'id');
  expect(await owner.call('DELETE', `/groups/tenant-b/enrollment-tokens/${id}`)).toMatchObject({
    status: 404,
    body: { code: 'token.not_found' },
  });
  expect((await owner.call('DELETE', `/groups/tenant-a/enrollment-tokens/${id}`)).status).toBe(204);
});

test('[AT-03] a task is not another agent’s to extend, complete or fail, even with its lock', async () => {
  await inA.pull();
  const created = await owner.call('POST', `/agents/${inA.id}/tasks`, { kind: 'diagnose' });
  const [task] = (await inA.pull(30, 1))?.tasks ?? [];
  expect(task?.id).toBe(field(created.body, 'id'));
  const path = `/tasks/${task?.id}`;
  const lock = task?.lock ?? '';
  const refused = { status: 409, body: { code: 'task.lock_lost' } };
  expect(await inB.call('POST', `${path}/extend`, { lock })).toMatchObject(refused);
  expect(await inB.call('POST', `${path}/fail`, { lock, error: 'no' })).toMatchObject(refused);
  expect((await inA.call('POST', `${path}/extend`, { lock })).status).toBe(204);
});

test('[AT-01] an agent that is not enrolled here is refused a session, and an access token that was made elsewhere a pull', async () => {
  const other = await startControlPlane();
  const stranger = await agentIn(
    await OperatorClient.signedIn(other.operatorApp),
    'tenant-a',
    other,
  );
  expect((await stranger.pullRaw()).status).toBe(200);
  const here = await AgentClient.create(controlPlane.agentApp, controlPlane.clock);
  here.enrolled = stranger.enrolled;
  expect(await here.openSession()).toMatchObject({ status: 401, body: { code: 'agent.unknown' } });
  here.accessToken = stranger.accessToken;
  expect(await here.pullRaw()).toMatchObject({
    status: 401,
    body: { code: 'access_token.invalid' },
  });
  await other.end();
});

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { OperatorClient } from '../operator-client.ts';

const PIN = `SHA256:${Array.from({ length: 32 }, () => 'AB').join(':')}`;
const path = '/groups/plant-7/links';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  for (const name of ['plant-7', 'plant-8']) await owner.call('POST', '/groups', { name });
});
afterAll(() => controlPlane.end());

test('[BM-01] a link is made, shown, listed and deleted, in its group alone', async () => {
  const body = {
    name: 'press-1',
    address: 'Press-1.Example:9444',
    agentFingerprint: PIN.slice(7).replaceAll(':', '').toLowerCase(),
  };
  const made = await owner.call('POST', path, body);
  const shown = {
    name: 'press-1',
    address: 'press-1.example:9444',
    agentFingerprint: PIN,
    createdBy: 'owner',
    connectedSince: null,
    seen: null,
    lastError: null,
    agentId: null,
  };
  expect(made).toMatchObject({ status: 201, body: shown });
  expect(await owner.call('GET', `${path}/press-1`)).toMatchObject({ status: 200, body: shown });
  await owner.call('POST', path, { name: 'press-0', address: '[fd00::7]:9444' });
  expect((await owner.call('GET', path)).body).toMatchObject({
    items: [{ name: 'press-0', agentFingerprint: null }, { name: 'press-1' }],
  });
  const paged = await owner.call('GET', `${path}?limit=1&cursor=press-0`);
  expect(paged.body).toMatchObject({ items: [{ name: 'press-1' }] });
  expect((await owner.call('GET', '/groups/plant-8/links/press-1')).status).toBe(404);
  expect((await owner.call('DELETE', '/groups/plant-8/links/press-1')).status).toBe(404);
  expect((await owner.call('DELETE', `${path}/press-1`)).status).toBe(204);
  expect(await owner.call('DELETE', `${path}/press-1`)).toMatchObject({
    status: 404,
    body: { code: 'link.not_found' },
  });
});

test('a name that the group has already is refused, and another group may have it', async () => {
  const body = { name: 'twice', address: 'agent.test:9444' };
  expect((await owner.call('POST', path, body)).status).toBe(201);
  expect(await owner.call('POST', path, body)).toMatchObject({
    status: 409,
    body: { code: 'link.exists' },
  });
  expect((await owner.call('POST', '/groups/plant-8/links', body)).status).toBe(201);
});

describe('what is no link is refused by field', () => {
  test.each([
    ['address', { address: 'agent.test' }],
    ['address', { address: 'https://agent.test:9444' }],
    ['address', { address: '127.1:9444' }],
    ['agentFingerprint', { agentFingerprint: 'AB:CD' }],
    ['name', { name: 'No Name' }],
    ['known are name, address, agentFingerprint', { password: 'canary' }],
  ])('%s in %j', async (field, wrong) => {
    const body = { name: 'wrong', address: 'agent.test:9444', ...wrong };
    const reply = await owner.call('POST', path, body);
    expect(reply).toMatchObject({ status: 400, body: { code: 'request.invalid' } });
    expect(reply.text).toContain(field);
    expect(reply.text).not.toContain('canary');
  });
});

test('a group has at most a thousand links', async () => {
  await owner.call('POST', '/groups', { name: 'full' });
  await asAdmin(controlPlane.databaseUrl, (client) =>
    client.query(
      `INSERT INTO links (id, group_id, name, address, created_by, created_at)
       SELECT gen_random_uuid(), id, 'l' || n, 'agent.test:9444', 'test', now()
         FROM groups, generate_series(1, 999) AS n WHERE groups.name = 'full'`,
    ),
  );
  const add = (name: string) =>
    owner.call('POST', '/groups/full/links', { name, address: 'agent.test:9444' });
  expect((await add('last')).status).toBe(201);
  expect(await add('more')).toMatchObject({ status: 409, body: { code: 'link.too_many' } });
});

import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { until } from '@sallyport/testkit/until';
import { OWNER_PASSWORD, startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { lockWaits, whileHeld } from '../lock-waits.ts';
import { field, OperatorClient, type Reply } from '../operator-client.ts';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  await owner.call('POST', '/groups', { name: 'plant-7' });
});
afterAll(() => controlPlane.end());

function create(role = 'operator', group: string | null = 'plant-7'): Promise<Reply> {
  return owner.call('POST', '/api-keys', { name: 'ci', roles: [{ role, group }] });
}

/** Calls with a key, on any replica. */
function withKey(reply: Reply, app = controlPlane.operatorApp): OperatorClient {
  const client = new OperatorClient(app);
  client.token = field(reply.body, 'key');
  return client;
}

const revokePath = ({ body }: Reply) => `/api-keys/${field(body, 'id')}/revoke`;

test('[AT-10] a revoked key is refused by the next request on every replica, also where it was used before', async () => {
  const { databaseUrl, rootKey } = controlPlane;
  const startMs = controlPlane.clock.now();
  const replica = await startControlPlane({ databaseUrl, rootKey, startMs });
  const created = await create();
  const here = withKey(created);
  const there = withKey(created, replica.operatorApp);
  for (const client of [here, there])
    expect((await client.call('GET', '/groups/plant-7')).status).toBe(200);
  const path = revokePath(created);
  expect((await owner.call('POST', path)).status).toBe(204);
  for (const client of [here, there])
    expect(await client.call('GET', '/groups/plant-7')).toMatchObject({
      status: 401,
      body: { code: 'api_key.revoked' },
    });
  expect((await owner.call('POST', path)).status).toBe(204);
  // Nor does another take its place.
  const rotated = await owner.call('POST', path.replace(/revoke$/, 'rotate'), {});
  expect(rotated).toMatchObject({ status: 404, body: { code: 'api_key.not_found' } });
  await replica.end();
});

/** Calls with a key, and sends the body once `meanwhile` is over, two seconds later. */
async function callSlowly(created: Reply, meanwhile: () => Promise<unknown>): Promise<Reply> {
  const body = new PassThrough();
  const headers = { 'content-type': 'application/json' };
  const reply = withKey(created).call('PUT', '/groups/plant-7/secrets/late', body, headers);
  body.write('{"value":');
  const shown = `/api-keys/${field(created.body, 'id')}`;
  await until(async () => (await owner.call('GET', shown)).text.includes('"lastUsedAt":"'));
  await meanwhile();
  controlPlane.clock.advance(2_000);
  body.end('"late"}');
  return reply;
}

test('[AT-10] a key that is revoked while a body is on its way does nothing with it, and one that is not goes on', async () => {
  const created = await create();
  const revoke = () => owner.call('POST', revokePath(created));
  expect(await callSlowly(created, revoke)).toMatchObject({
    status: 401,
    body: { code: 'api_key.revoked' },
  });
  expect((await owner.call('GET', '/groups/plant-7/secrets/late')).status).toBe(404);
  expect((await callSlowly(await create(), async () => {})).status).toBe(201);
});

describe('[AT-10] an act that has waited since it was allowed', () => {
  const GROUP = `SELECT FROM groups WHERE name = 'plant-7' FOR UPDATE`;
  const KEYS = 'LOCK TABLE api_keys IN SHARE ROW EXCLUSIVE MODE';
  const VERSIONS = 'LOCK TABLE secret_versions IN ACCESS EXCLUSIVE MODE';
  const secret = ['PUT', '/groups/plant-7/secrets/waited', { value: 'late' }] as const;
  const reveal = ['POST', '/groups/plant-7/secrets/shown/reveal', {}] as const;
  const list = ['GET', '/groups/plant-7/secrets', undefined] as const;
  const key = [
    'POST',
    '/api-keys',
    { name: 'waited', roles: [{ role: 'viewer', group: null }] },
  ] as const;

  /** Signs somebody in who acts, is held up, and acts two seconds later, once `meanwhile` is over. */
  async function actSlowly(
    held: string,
    act: typeof secret | typeof key | typeof reveal | typeof list,
    meanwhile: (name: string, binding: string) => Promise<unknown>,
    headers: Record<string, string> = {},
  ): Promise<Reply> {
    const person = { name: `waits-${++people}`, password: OWNER_PASSWORD };
    await owner.call('POST', '/operators', person);
    const role = { operator: person.name, role: 'admin', group: null };
    const binding = field((await owner.call('POST', '/role-bindings', role)).body, 'id');
    const client = await OperatorClient.signedIn(controlPlane.operatorApp, person);
    let reply: Promise<Reply> | undefined;
    await whileHeld(controlPlane.databaseUrl, held, async () => {
      const [method, path, body] = act;
      reply = client.call(method, path, body, headers);
      await lockWaits(controlPlane.databaseUrl);
      await meanwhile(person.name, binding);
      controlPlane.clock.advance(2_000);
    });
    return reply ?? Promise.reject(new Error('nothing was asked'));
  }
  let people = 0;
  const end = (name: string) => owner.call('DELETE', `/operators/${name}`);
  const takeRole = (_: string, binding: string) =>
    owner.call('DELETE', `/role-bindings/${binding}`);

  test.each([
    ['secret', GROUP, secret, '/groups/plant-7/secrets?limit=200'],
    ['API key', KEYS, key, '/api-keys?limit=200'],
  ])(
    'makes no %s for whose session has ended, or who has lost a role',
    async (_, held, act, list) => {
      const ended = await actSlowly(held, act, end);
      expect(ended).toMatchObject({ status: 401, body: { code: 'session.invalid' } });
      const lost = await actSlowly(held, act, takeRole);
      expect(lost).toMatchObject({ status: 403, body: { code: 'permission.denied' } });
      const keyed = await actSlowly(held, act, end, { 'idempotency-key': 'waited' });
      expect(keyed).toMatchObject({ status: 401, body: { code: 'session.invalid' } });
      expect((await owner.call('GET', list)).text).not.toContain('"waited"');
      expect((await actSlowly(held, act, async () => {})).status).toBe(201);
    },
  );

  test('shows no value to whose session has ended, or who has lost a role', async () => {
    await owner.call('PUT', '/groups/plant-7/secrets/shown', { value: 'canary' });
    const ended = await actSlowly(VERSIONS, reveal, end);
    expect(ended).toMatchObject({ status: 401, body: { code: 'session.invalid' } });
    const lost = await actSlowly(VERSIONS, reveal, takeRole);
    expect(lost).toMatchObject({ status: 404, body: { code: 'group.not_found' } });
    const kept = await actSlowly(VERSIONS, reveal, async () => {});
    expect(kept).toMatchObject({ status: 200, body: { value: 'canary' } });
  });

  test('shows nothing else either to whose session has ended, or who has lost a role', async () => {
    await owner.call('PUT', '/groups/plant-7/secrets/listed', { value: 'canary' });
    const SECRETS = 'LOCK TABLE secrets IN ACCESS EXCLUSIVE MODE';
    const ended = await actSlowly(SECRETS, list, end);
    expect(ended).toMatchObject({ status: 401, body: { code: 'session.invalid' } });
    const lost = await actSlowly(SECRETS, list, takeRole);
    expect(lost).toMatchObject({ status: 403, body: { code: 'permission.denied' } });
    for (const { text } of [ended, lost]) expect(text).not.toContain('listed');
    const kept = await actSlowly(SECRETS, list, async () => {});
    expect(kept.text).toContain('listed');
  });
});

test('[AT-02] nobody ends a key that may more than they may', async () => {
  const admin = withKey(await create('admin', null));
  const revoke = async (role: string) =>
    (await admin.call('POST', revokePath(await create(role, null)))).status;
  expect(await revoke('owner')).toBe(403);
  expect(await revoke('admin')).toBe(204);
});

test('[AT-02] a revoked key whose group is gone, and with it its roles, is there for who may see every key alone', async () => {
  await owner.call('POST', '/groups', { name: 'plant-9' });
  const { body } = await create('operator', 'plant-9');
  const path = `/api-keys/${field(body, 'id')}`;
  for (const [method, ended] of [
    ['POST', `${path}/revoke`],
    ['DELETE', '/groups/plant-9'],
  ] as const)
    expect((await owner.call(method, ended)).status).toBe(204);
  const admin = withKey(await create('admin'));
  const denied = { status: 403, body: { code: 'permission.denied' } };
  expect(await admin.call('GET', path)).toMatchObject(denied);
  expect(await admin.call('POST', `${path}/revoke`)).toMatchObject(denied);
  expect(await owner.call('GET', path)).toMatchObject({ status: 200, body: { roles: [] } });
  expect(await owner.call('GET', `/api-keys/${crypto.randomUUID()}`)).toMatchObject({
    status: 404,
    body: { code: 'api_key.not_found' },
  });
});

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { lockWaits, whileHeld } from '../lock-waits.ts';
import { field, OperatorClient, type Reply } from '../operator-client.ts';
import { storedFields } from '../plugin-table.ts';

const CANARY = 'canary-77d0-value';
const text = { type: 'string' };
const schema = {
  type: 'object',
  properties: { url: text, password: text },
  required: ['url'],
};
const definition = { schema, encryptedFields: ['/password'] };

let controlPlane: TestControlPlane;
let owner: OperatorClient;
/** A new type for each test. */
let name = '';
let count = 0;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  for (const group of ['plant-7', 'plant-8']) await owner.call('POST', '/groups', { name: group });
});
afterAll(() => controlPlane.end());
beforeEach(() => {
  count += 1;
  name = `type-${count}`;
});

const type = () => `/plugin-types/${name}`;
const plugin = (group = 'plant-7') => `/groups/${group}/plugins/of-${name}`;
const create = (more: object = {}) =>
  owner.call('POST', '/plugin-types', { name, ...definition, ...more });
const write = (config: object, group = 'plant-7') =>
  owner.put(plugin(group), { type: name, config });

/** The last two acts on the type. */
async function acts(): Promise<string[]> {
  return asAdmin(controlPlane.databaseUrl, async (client) => {
    const { rows } = await client.query<{ act: string }>(
      `SELECT split_part(action, ':', 2) || ' ' || outcome AS act FROM audit_events
        WHERE subject = $1 ORDER BY at DESC, id DESC LIMIT 2`,
      [`plugin-type:${name}`],
    );
    return rows.map(({ act }) => act).toReversed();
  });
}

/** Somebody with these roles. */
async function caller(...held: { role: string; group: string | null }[]): Promise<OperatorClient> {
  const made = await owner.call('POST', '/api-keys', { name: 'key', roles: held });
  const client = new OperatorClient(controlPlane.operatorApp);
  client.token = field(made.body, 'key');
  return client;
}

test('a type is created, shown, listed, given versions that stay, and deleted', async () => {
  const first = await create({ description: 'one' });
  expect(first).toMatchObject({ status: 201, body: { name, version: 1, ...definition } });
  const next = { ...definition, description: 'two', publicFields: ['/url'] };
  const second = await owner.call('PUT', type(), next);
  expect(second).toMatchObject({ status: 200, body: { version: 2, ...next, breaks: [], more: 0 } });
  expect((await owner.call('GET', type())).body).toMatchObject({ version: 2, description: 'two' });
  expect((await owner.call('GET', `${type()}?version=1`)).body).toMatchObject({
    version: 1,
    description: 'one',
    publicFields: [],
  });
  expect((await owner.call('GET', `${type()}/versions`)).body).toMatchObject({
    items: [{ version: 2, createdBy: 'owner' }, { version: 1 }],
  });
  const { items } = Object((await owner.call('GET', '/plugin-types?limit=200')).body);
  const listed = items.find((item: { name: string }) => item.name === name);
  expect(listed).toMatchObject({ version: 2, description: 'two' });
  expect(listed).not.toHaveProperty('schema');
  expect(items.map((item: { name: string }) => item.name)).toContain('generic');
  expect((await owner.call('DELETE', type())).status).toBe(204);
  expect(await owner.call('GET', type())).toMatchObject({
    status: 404,
    body: { code: 'plugin_type.not_found' },
  });
});

test('[A7-07] a type with a field that looks secret and is not listed is refused, and named', async () => {
  expect(await create({ encryptedFields: [] })).toMatchObject({
    status: 400,
    body: { code: 'request.invalid', issues: [{ field: 'body.schema:/password' }] },
  });
  expect((await create({ encryptedFields: [], publicFields: ['/password'] })).status).toBe(201);
  const put = { ...definition, encryptedFields: ['/passwort'] };
  expect(await owner.call('PUT', type(), put)).toMatchObject({ status: 400 });
});

test('what exists, is built in, in use, or not there is refused', async () => {
  await create();
  expect(await create()).toMatchObject({ status: 409, body: { code: 'plugin_type.exists' } });
  const builtIn = { status: 409, body: { code: 'plugin_type.built_in' } };
  expect(await owner.call('PUT', '/plugin-types/generic', definition)).toMatchObject(builtIn);
  expect(await owner.call('DELETE', '/plugin-types/generic')).toMatchObject(builtIn);
  await write({ url: 'u' });
  expect(await owner.call('DELETE', type())).toMatchObject({
    status: 409,
    body: {
      code: 'plugin_type.in_use',
      detail: 'This type has 1 plugin: delete each first, or give it another type.',
    },
  });
  await owner.call('DELETE', plugin());
  expect((await owner.call('DELETE', type())).status).toBe(204);
  for (const [method, path] of [
    ['PUT', type()],
    ['POST', `${type()}/check`],
    ['GET', `${type()}?version=1`],
  ] as const)
    expect(await owner.call(method, path, method === 'GET' ? undefined : definition)).toMatchObject(
      {
        status: 404,
        body: { code: 'plugin_type.not_found' },
      },
    );
});

test.each(['PUT', 'DELETE'] as const)(
  'a %s that waits for who deletes the type finds none',
  async (method) => {
    await create();
    const ask = () => owner.call(method, type(), method === 'PUT' ? definition : undefined);
    const gone = `DELETE FROM plugin_types WHERE name = '${name}'`;
    const replies: Promise<Reply>[] = [];
    await whileHeld(controlPlane.databaseUrl, gone, async () => {
      replies.push(ask());
      await lockWaits(controlPlane.databaseUrl);
    });
    expect(await Promise.all(replies)).toMatchObject([
      { status: 404, body: { code: 'plugin_type.not_found' } },
    ]);
  },
);

describe('a version that plugins of the type do not fit', () => {
  const strict = {
    ...definition,
    schema: { ...schema, properties: { url: text, password: { ...text, minLength: 30 } } },
  };

  test('[F-20] is shown by a check, refused without force, and breaks nothing by force', async () => {
    await create();
    await write({ url: 'u', password: CANARY });
    await write({ url: 'u', password: `${CANARY}-${CANARY}-${CANARY}` }, 'plant-8');
    const problems = [{ path: '/password', problem: 'fails minLength' }];
    const found = { breaks: [{ group: 'plant-7', plugin: `of-${name}`, problems }], more: 0 };
    const checked = await owner.call('POST', `${type()}/check`, strict);
    expect(checked).toMatchObject({ status: 200, body: found });
    const refused = await owner.call('PUT', type(), strict);
    expect(refused).toMatchObject({
      status: 409,
      body: {
        code: 'plugin_type.breaks_plugins',
        detail: expect.stringMatching(/^1 plugin of this type does not fit /),
        issues: [{ field: `plant-7/of-${name}:/password`, message: 'fails minLength' }],
      },
    });
    expect(checked.text + refused.text).not.toContain(CANARY);
    expect((await owner.call('GET', type())).body).toMatchObject({ version: 1 });
    expect(await acts()).toEqual(['check done', 'write refused']);
    const forced = await owner.call('PUT', type(), { ...strict, force: true });
    expect(forced).toMatchObject({ status: 200, body: { version: 2, ...found } });
    expect((await owner.call('GET', plugin())).body).toMatchObject({ version: 1, typeVersion: 1 });
    expect(await owner.call('PATCH', plugin(), { config: { url: 'v' } })).toMatchObject({
      status: 400,
      body: { issues: [{ field: 'body.config/password' }] },
    });
    expect(await owner.call('PATCH', plugin('plant-8'), {})).toMatchObject({
      status: 200,
      body: { typeVersion: 2 },
    });
  });

  test.each([
    ['is deleted', 'DELETE FROM plugins WHERE id = $1'],
    [
      'loses a field',
      `WITH gone AS (DELETE FROM plugin_fields WHERE plugin_id = $1)
        UPDATE plugins SET config = '{"url": "v"}' WHERE id = $1`,
    ],
  ])('[F-20] is checked also while a plugin %s', async (_, change) => {
    await create();
    await write({ url: 'u', password: CANARY });
    const id = field((await write({ url: 'u', password: CANARY }, 'plant-8')).body, 'id');
    const { check } = await asAdmin(controlPlane.databaseUrl, async (client) => {
      await client.query('BEGIN; LOCK TABLE keyring_versions');
      const checking = { check: owner.call('POST', `${type()}/check`, definition) };
      // It has found both plugins, and opens the first.
      await lockWaits(controlPlane.databaseUrl);
      await client.query(change, [id]);
      await client.query('COMMIT');
      return checking;
    });
    expect(await check).toMatchObject({ status: 200, body: { breaks: [], more: 0 } });
  });

  test('[A7-07] also counts what it would encrypt and is in clear, which the next write seals', async () => {
    const inClear = { schema, publicFields: ['/password'] };
    await owner.call('POST', '/plugin-types', { name, ...inClear });
    await write({ url: 'u', password: CANARY });
    expect((await owner.call('POST', `${type()}/check`, definition)).body).toMatchObject({
      breaks: [{ problems: [{ path: '/password' }] }],
    });
    await owner.call('PUT', type(), { ...definition, force: true });
    const sealed = await owner.call('PATCH', plugin(), {});
    expect(sealed.body).toMatchObject({ config: { url: 'u', password: { $encrypted: true } } });
    expect([...(await storedFields(controlPlane, `of-${name}`)).keys()]).toEqual(['/password']);
    const back = await owner.call('PUT', type(), inClear);
    expect(back).toMatchObject({ status: 409, body: { code: 'plugin_type.breaks_plugins' } });
    await owner.call('PUT', type(), { ...inClear, force: true });
    expect(await owner.call('PATCH', plugin(), {})).toMatchObject({ status: 400 });
  });

  test('[A7-07] does not call in clear what would be encrypted as a part of something larger', async () => {
    const auth = { type: 'object', properties: { password: { type: 'string' } } };
    const nested = { schema: { type: 'object', properties: { auth } } };
    const body = { name, ...nested, encryptedFields: ['/auth/password'] };
    expect((await owner.call('POST', '/plugin-types', body)).status).toBe(201);
    await write({ auth: { password: CANARY } });
    const whole = { ...nested, encryptedFields: ['/auth'] };
    expect((await owner.call('POST', `${type()}/check`, whole)).body).toMatchObject({
      breaks: [
        {
          problems: [
            { path: '/auth', problem: 'stands in clear until the plugin is written again' },
          ],
        },
      ],
    });
  });
});

test('[AT-04] whoever has a role in one group reads types and uses them, and does not change them', async () => {
  await create();
  const client = await caller({ role: 'operator', group: 'plant-7' });
  expect((await client.call('GET', type())).status).toBe(200);
  const body = { type: name, config: { url: 'u' } };
  expect((await client.call('PUT', plugin(), body)).status).toBe(201);
  const denied = { status: 403, body: { code: 'permission.denied' } };
  for (const [method, path] of [
    ['PUT', type()],
    ['POST', `${type()}/check`],
    ['DELETE', type()],
  ] as const) {
    const sent = method === 'DELETE' ? undefined : definition;
    expect(await client.call(method, path, sent)).toMatchObject(denied);
  }
  const admin = await caller({ role: 'admin', group: 'plant-7' });
  expect(await admin.call('PUT', type(), definition)).toMatchObject(denied);
});

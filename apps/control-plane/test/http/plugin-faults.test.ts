import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { gatewayType } from '../gateway-type.ts';
import { OperatorClient } from '../operator-client.ts';
import { storedFields } from '../plugin-table.ts';
import { unreadableIn } from '../unreadable-events.ts';

const CANARY = 'canary-91c4-value';
const mergePatch = { 'content-type': 'application/merge-patch+json' };

let controlPlane: TestControlPlane;
let owner: OperatorClient;
/** A new name for each test. */
let name = '';
let count = 0;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  await owner.call('POST', '/groups', { name: 'plant-7' });
  await owner.call('POST', '/plugin-types', gatewayType);
});
afterAll(() => controlPlane.end());
beforeEach(() => {
  count += 1;
  name = `gateway-${count}`;
});

const path = () => `/groups/plant-7/plugins/${name}`;
const put = (config: object) => owner.put(path(), { type: 'gateway', config });
const patch = (config: object) =>
  owner.call('PATCH', path(), JSON.stringify({ config }), mergePatch);
const refusedAt = (at: string) => ({
  status: 400,
  body: { code: 'request.invalid', issues: [{ field: `body.config${at}` }] },
});

describe('[F-16] a field that was moved in the database', () => {
  const sql = (statement: string) =>
    asAdmin(controlPlane.databaseUrl, async (client) => void (await client.query(statement)));

  test.each([
    ['to another path', `UPDATE plugin_fields SET path = '/keys/two' WHERE id = 'ID'`],
    [
      'to another row',
      `UPDATE plugin_fields SET sealed_value = (SELECT sealed_value FROM plugin_fields WHERE id = 'OTHER') WHERE id = 'ID'`,
    ],
    [
      'to another plugin',
      `UPDATE plugin_fields SET plugin_id = (SELECT id FROM plugins WHERE name = 'other') WHERE id = 'ID'`,
    ],
  ])('%s does not open, and that is audited', async (_, statement) => {
    const group = `moved-${count}`;
    await owner.call('POST', '/groups', { name: group });
    const write = (plugin: string, method: 'PUT' | 'PATCH', config: object) =>
      owner.call(method, `/groups/${group}/plugins/${plugin}`, { type: 'gateway', config });
    await write(name, 'PUT', { keys: { one: CANARY, three: CANARY } });
    await write('other', 'PUT', { url: 'u' });
    const fields = await storedFields(controlPlane, name);
    const [id = '', other = ''] = ['/keys/one', '/keys/three'].map(
      (at) => fields.get(at)?.id ?? '',
    );
    await sql(statement.replace('ID', id).replace('OTHER', other));
    const victim = statement.includes('plugin_id =') ? 'other' : name;
    expect(await write(victim, 'PATCH', {})).toMatchObject({
      status: 500,
      body: { code: 'envelope.unreadable' },
    });
    expect(await unreadableIn(controlPlane, group)).toEqual([
      {
        subject: expect.stringMatching(/^plugin_fields\.sealed_value:/),
        outcome: 'refused',
        actor: 'operator',
      },
    ]);
    await owner.call('DELETE', `/groups/${group}/plugins/${name}`);
    await owner.call('DELETE', `/groups/${group}/plugins/other`);
  });
});

test('[A7-16] the audit names the paths that changed, and no value', async () => {
  await put({ url: 'canary-url-1', auth: { user: 'canary', password: CANARY } });
  await patch({ url: 'canary-url', auth: { password: `${CANARY}-5` } });
  const [event] = await asAdmin(controlPlane.databaseUrl, async (client) => {
    const query = `SELECT action, details FROM audit_events WHERE subject = $1 ORDER BY at DESC, id DESC LIMIT 1`;
    return (await client.query(query, [`plugin:${name}`])).rows;
  });
  expect(event).toMatchObject({
    action: 'plugin:write',
    details: {
      version: 2,
      changed: ['/auth/password', '/url'],
      before: { version: 1, type: 'gateway', typeVersion: 1, offline: null },
      after: { version: 2, type: 'gateway', typeVersion: 1, offline: null },
    },
  });
  const everything = await asAdmin(controlPlane.databaseUrl, (client) =>
    client.query('SELECT e::text FROM audit_events e'),
  );
  expect(JSON.stringify(everything.rows)).not.toContain('canary');
});

test('[A7-16] a refusal repeats no key that may be no name, and none inside of an encrypted field', async () => {
  const secret = { type: 'object', additionalProperties: { type: 'string' } };
  const type = {
    name: `keys-${count}`,
    schema: { properties: { 'für zwei': secret }, additionalProperties: { type: 'string' } },
    encryptedFields: ['/für zwei'],
  };
  expect(await owner.call('POST', '/plugin-types', type)).toMatchObject({ status: 201 });
  const write = (config: object) => owner.put(path(), { type: type.name, config });
  expect(await write({ 'für zwei': { canary: 1 } })).toMatchObject(refusedAt('/?'));
  expect(await write({ 'canary canary!': 1 })).toMatchObject(refusedAt('/?'));
  expect(await write({ 'two words': 1 })).toMatchObject(refusedAt('/two words'));
});

describe('[F-23] hostile input', () => {
  test.each(['application/json', 'application/merge-patch+json'])(
    '__proto__ in a patch of type %s is refused and pollutes nothing',
    async (type) => {
      await put({ url: 'u' });
      for (const hostile of [
        '{"config":{"__proto__":{"polluted":"x"}}}',
        '{"config":{"constructor":{"prototype":{"polluted":"x"}}}}',
      ])
        expect(await owner.call('PATCH', path(), hostile, { 'content-type': type })).toMatchObject({
          status: 400,
        });
      expect(Reflect.get({}, 'polluted')).toBeUndefined();
    },
  );

  test('a patch of another media type, of nothing, or of what is not there is refused', async () => {
    for (const type of ['application/xml', 'text/plain'])
      expect(await owner.call('PATCH', path(), '{}', { 'content-type': type })).toMatchObject({
        status: 415,
      });
    expect(await patch({})).toMatchObject({ status: 404, body: { code: 'plugin.not_found' } });
    expect(await owner.call('PATCH', path(), '', mergePatch)).toMatchObject({ status: 400 });
    expect(await owner.call('PATCH', path(), '[]', mergePatch)).toMatchObject({ status: 400 });
  });

  test('more fields than a plugin may have are refused', async () => {
    const keys = Object.fromEntries(Array.from({ length: 257 }, (_, at) => [`k${at}`, 'x']));
    expect(await put({ keys })).toMatchObject(refusedAt(''));
    expect(await put({ keys: { ['k'.repeat(1100)]: 'x' } })).toMatchObject({ status: 400 });
  });
});

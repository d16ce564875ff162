import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { formatToken, mintToken, parseToken } from '@sallyport/crypto/token';
import { asAdmin } from '@sallyport/testkit/database';
import { warnOfExpiry } from '../../src/api-keys/index.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { field, OperatorClient, type Reply } from '../operator-client.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  for (const name of ['plant-7', 'plant-8']) await owner.call('POST', '/groups', { name });
});
afterAll(() => controlPlane.end());

const operatorIn = (group: string | null) => [{ role: 'operator', group }];

function create(more: object = {}): Promise<Reply> {
  return owner.call('POST', '/api-keys', { name: 'ci', roles: operatorIn('plant-7'), ...more });
}

/** Calls with a key, on any replica. */
function withKey(reply: Reply, app = controlPlane.operatorApp): OperatorClient {
  const client = new OperatorClient(app);
  client.token = field(reply.body, 'key');
  return client;
}

async function sql(statement: string): Promise<Record<string, unknown>[]> {
  return asAdmin(controlPlane.databaseUrl, async (client) => {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  });
}

test('[AT-01] [AT-02] a key is all a client needs for what it may do', async () => {
  const created = await create();
  expect(created).toMatchObject({ status: 201, body: { state: 'active', lastUsedAt: null } });
  const client = withKey(created);
  const written = await client.call('PUT', '/groups/plant-7/secrets/s', { value: 'value' });
  expect(written.status).toBe(201);
  expect(await client.call('GET', '/me')).toMatchObject({
    body: { kind: 'apiKey', name: 'ci', roles: operatorIn('plant-7') },
  });
});

test('[SG-03] the audit tells what a key was given, and what its successor holds', async () => {
  const roles = [{ role: 'viewer', group: null }, ...operatorIn('plant-7')];
  const id = field((await create({ roles })).body, 'id');
  const next = await owner.call('POST', `/api-keys/${id}/rotate`, { overlapSeconds: 0 });
  const recorded = await sql(
    `SELECT action, details -> 'roles' AS roles FROM audit_events
      WHERE subject IN ('api-key:${id}', 'api-key:${field(next.body, 'id')}') ORDER BY seq`,
  );
  const given = ['operator in plant-7', 'viewer'];
  expect(recorded).toEqual([
    { action: 'api-key:create', roles: given },
    { action: 'api-key:rotate', roles: given },
  ]);
});

test('[AT-02] [AT-03] what is beyond a key’s roles is refused and audited, another group’s things are not there for it, which is audited too', async () => {
  const client = withKey(await create());
  expect(await client.call('POST', '/groups', { name: 'plant-9' })).toMatchObject({ status: 403 });
  expect(await client.call('PUT', '/groups/plant-8/secrets/db%2Fs', { value: 'v' })).toMatchObject({
    status: 404,
    body: { code: 'group.not_found' },
  });
  // One that nowhere is costs the same, and leaves as much behind.
  expect(await client.call('PUT', '/groups/plant-9/secrets/db%2Fs', { value: 'v' })).toMatchObject({
    status: 404,
    body: { code: 'group.not_found' },
  });
  const viewer = withKey(await create({ roles: [{ role: 'viewer', group: 'plant-7' }] }));
  expect(await viewer.call('POST', '/groups/plant-7/secrets/db%2Fs/reveal', {})).toMatchObject({
    status: 403,
  });
  expect(
    await sql(`SELECT action, subject, g.name AS group, actor_kind AS actor, details->>'code' AS code
      FROM audit_events e LEFT JOIN groups g ON g.id = e.group_id
      WHERE outcome = 'refused' ORDER BY at, e.id`),
  ).toEqual([
    {
      action: 'group:create',
      subject: 'route:/api/v1/groups',
      group: null,
      actor: 'apiKey',
      code: 'permission.denied',
    },
    {
      action: 'secret:write',
      subject: 'secret:db/s',
      group: 'plant-8',
      actor: 'apiKey',
      code: 'group.not_found',
    },
    {
      action: 'secret:write',
      subject: 'secret:db/s',
      group: null,
      actor: 'apiKey',
      code: 'group.not_found',
    },
    {
      action: 'secret:reveal',
      subject: 'secret:db/s',
      group: 'plant-7',
      actor: 'apiKey',
      code: 'permission.denied',
    },
  ]);
});

test('[AT-01] an unknown key, another’s secret under a known id and a mistyped key are all the same', async () => {
  const [one, other] = [await create(), await create()];
  const [key, elsewhere] = [field(one.body, 'key'), field(other.body, 'key')];
  const mixed = formatToken({
    ...parseToken(key, 'key'),
    secret: parseToken(elsewhere, 'key').secret,
  });
  const unknown = formatToken(mintToken('key', crypto.randomUUID()));
  for (const token of [unknown, mixed, `${key.slice(0, -1)}!`, 'sp_key_']) {
    const client = new OperatorClient(controlPlane.operatorApp);
    client.token = token;
    expect(await client.call('GET', '/me')).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'Bearer realm="sallyport"' },
      body: { code: 'api_key.invalid' },
    });
  }
});

test('[A7-03] a key is shown once; the list shows its beginning, and the database only its hash', async () => {
  const created = await create();
  const [key, id] = [field(created.body, 'key'), field(created.body, 'id')];
  const listed = await owner.call('GET', '/api-keys?limit=200');
  const prefix = field(created.body, 'prefix');
  expect(listed.text).toContain(prefix);
  const secret = key.slice('sp_key_'.length + 33);
  expect(key).toBe(`${prefix}_${secret}`);
  expect(prefix).toBe(`sp_key_${id.replaceAll('-', '')}`);
  const shown = await owner.call('GET', `/api-keys/${id}`);
  for (const text of [listed.text, shown.text, controlPlane.logged()])
    expect(text).not.toContain(secret);
  const [row] = await sql(`SELECT k::text AS text FROM api_keys k WHERE id = '${id}'`);
  expect(row?.['text']).toContain('$pbkdf2-sha512$i=1000$');
  expect(row?.['text']).not.toContain(secret);
});

test('[AT-07] a key lives 90 days unless its maker says otherwise, 180 at most, and not a moment longer', async () => {
  const expiry = async (more: object) => {
    const created = await create(more);
    const lifeMs = Date.parse(field(created.body, 'expiresAt')) - controlPlane.clock.now();
    return { created, days: lifeMs / DAY_MS };
  };
  const { created, days } = await expiry({});
  expect(days).toBe(90);
  expect((await expiry({ expiresInDays: 180 })).days).toBe(180);
  for (const expiresInDays of [181, 0, -1, 1.5, null])
    expect(await create({ expiresInDays })).toMatchObject({
      status: 400,
      body: { issues: [{ field: 'body.expiresInDays' }] },
    });
  const client = withKey(created);
  controlPlane.clock.advance(90 * DAY_MS - 1);
  expect((await client.call('GET', '/me')).status).toBe(200);
  controlPlane.clock.advance(1);
  expect(await client.call('GET', '/me')).toMatchObject({
    status: 401,
    body: { code: 'api_key.expired' },
  });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});

test('[AT-07] an installation may allow less', async () => {
  const strict = await startControlPlane({
    settings: { apiKeys: { defaultDays: 7, maxDays: 30 } },
  });
  const client = await OperatorClient.signedIn(strict.operatorApp);
  const made = await client.call('POST', '/api-keys', { name: 'ci', roles: operatorIn(null) });
  const lifeMs = Date.parse(field(made.body, 'expiresAt')) - strict.clock.now();
  expect(lifeMs / DAY_MS).toBe(7);
  const longer = { name: 'ci', roles: operatorIn(null), expiresInDays: 31 };
  expect(await client.call('POST', '/api-keys', longer)).toMatchObject({
    status: 400,
    body: {
      issues: [{ field: 'body.expiresInDays', message: 'may be 30 at most, by policy' }],
    },
  });
  await strict.end();
});

test('[AT-08] of many keys that near their end each is told of once, some in a transaction', async () => {
  const end = new Date(controlPlane.clock.now() + DAY_MS).toISOString();
  await sql(`INSERT INTO api_keys (id, name, secret_hash, created_by, created_at, expires_at)
    SELECT gen_random_uuid(), 'many', '', 'owner', now(), '${end}' FROM generate_series(1, 450)`);
  await Promise.all([warnOfExpiry(controlPlane.platform), warnOfExpiry(controlPlane.platform)]);
  const told = await sql(`SELECT count(*)::int AS keys FROM audit_events
    WHERE action = 'api-key:expiring' AND details->>'name' = 'many' GROUP BY xmin`);
  const counts = told.map(({ keys }) => Number(keys));
  expect(counts.reduce((sum, keys) => sum + keys, 0)).toBe(450);
  expect(Math.max(...counts)).toBeLessThanOrEqual(200);
  await sql(`DELETE FROM api_keys WHERE name = 'many'`);
});

test('[AT-08] a key that nears its end is told of once, and is rotated: both are good during the overlap, then only the new one', async () => {
  const old = await create({ name: 'rotated', expiresInDays: 30 });
  const id = field(old.body, 'id');
  const revoked = field((await create({ name: 'revoked', expiresInDays: 30 })).body, 'id');
  await owner.call('POST', `/api-keys/${revoked}/revoke`);
  const warnings = () =>
    sql(`SELECT details->>'name' AS name FROM audit_events
      WHERE action = 'api-key:expiring' AND subject IN ('api-key:${id}', 'api-key:${revoked}')`);
  controlPlane.clock.advance(16 * DAY_MS - 1);
  await warnOfExpiry(controlPlane.platform);
  expect(await warnings()).toEqual([]);
  controlPlane.clock.advance(2);
  await Promise.all([warnOfExpiry(controlPlane.platform), warnOfExpiry(controlPlane.platform)]);
  await warnOfExpiry(controlPlane.platform);
  expect(await warnings()).toEqual([{ name: 'rotated' }]);

  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  const rotated = await owner.call('POST', `/api-keys/${id}/rotate`, { overlapSeconds: 3600 });
  expect(rotated).toMatchObject({
    status: 201,
    body: { name: 'rotated', rotatedFrom: id, roles: operatorIn('plant-7') },
  });
  const [before, after] = [withKey(old), withKey(rotated)];
  controlPlane.clock.advance(3600_000 - 1);
  for (const client of [before, after])
    expect((await client.call('GET', '/groups/plant-7')).status).toBe(200);
  controlPlane.clock.advance(1);
  expect((await before.call('GET', '/groups/plant-7')).status).toBe(401);
  expect((await after.call('GET', '/groups/plant-7')).status).toBe(200);
  expect(await owner.call('POST', `/api-keys/${id}/rotate`, {})).toMatchObject({
    status: 404,
    body: { code: 'api_key.not_found' },
  });
});

test('[AT-08] an overlap does not prolong a key beyond its own end', async () => {
  const old = await create({ expiresInDays: 1 });
  await owner.call('POST', `/api-keys/${field(old.body, 'id')}/rotate`, {
    overlapSeconds: 7 * 24 * 3600,
  });
  const shown = await owner.call('GET', `/api-keys/${field(old.body, 'id')}`);
  expect(field(shown.body, 'expiresAt')).toBe(field(old.body, 'expiresAt'));
});

test('a key’s last use is known to the minute', async () => {
  const created = await create();
  const client = withKey(created);
  const lastUse = async () => {
    const shown = await owner.call('GET', `/api-keys/${field(created.body, 'id')}`);
    return Date.parse(field(shown.body, 'lastUsedAt'));
  };
  const first = controlPlane.clock.now();
  await client.call('GET', '/groups/plant-7');
  controlPlane.clock.advance(59_999);
  await client.call('GET', '/groups/plant-7');
  expect(await lastUse()).toBe(first);
  controlPlane.clock.advance(1);
  await client.call('GET', '/groups/plant-7');
  expect(await lastUse()).toBe(first + 60_000);
});

test('[AT-02] nobody makes or rotates a key that may more than they may', async () => {
  const admin = withKey(await create({ roles: [{ role: 'admin', group: 'plant-7' }] }));
  const refusals: [roles: object[], status: number][] = [
    [operatorIn(null), 403],
    [operatorIn('plant-8'), 404],
    [[{ role: 'owner', group: null }], 403],
  ];
  for (const [roles, status] of refusals)
    expect(await admin.call('POST', '/api-keys', { name: 'more', roles })).toMatchObject({
      status,
    });
  expect(
    (await admin.call('POST', '/api-keys', { name: 'same', roles: operatorIn('plant-7') })).status,
  ).toBe(201);
  const wide = await create({ roles: [...operatorIn('plant-7'), ...operatorIn('plant-8')] });
  expect(await admin.call('POST', `/api-keys/${field(wide.body, 'id')}/rotate`, {})).toMatchObject({
    status: 404,
    body: { code: 'api_key.not_found' },
  });
});

test('a key has no session to end', async () => {
  expect(await withKey(await create()).call('DELETE', '/sessions/current')).toMatchObject({
    status: 401,
    body: { code: 'session.required' },
  });
});

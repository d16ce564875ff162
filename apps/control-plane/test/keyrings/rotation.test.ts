import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { keyring } from '@sallyport/contract';
import { asAdmin } from '@sallyport/testkit/database';
import pg from 'pg';
import { rewrapKeyrings, rotateDueKeyrings, UnreadableReports } from '../../src/keyrings/index.ts';
import { sealedPlaces } from '../../src/keyrings/sealed-places.store.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { gatewayType } from '../gateway-type.ts';
import { agentIn } from '../group-agents.ts';
import { field, OperatorClient } from '../operator-client.ts';
import { storedFields } from '../plugin-table.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterAll(() => controlPlane.end());

let made = 0;
let group: string;
beforeEach(async () => {
  made += 1;
  group = `plant-${made}`;
  expect((await owner.call('POST', '/groups', { name: group })).status).toBe(201);
});

async function sql<Row extends Record<string, unknown>>(statement: string): Promise<Row[]> {
  return asAdmin(controlPlane.databaseUrl, async (client) => {
    return (await client.query<Row>(statement)).rows;
  });
}

const put = (name: string, value: string) =>
  owner.call('PUT', `/groups/${group}/secrets/${name}`, { value });
const rotate = () => owner.call('POST', `/groups/${group}/keyring/rotate`);
const rewrap = () => {
  const { platform } = controlPlane;
  return rewrapKeyrings({ platform, unreadable: new UnreadableReports(platform) });
};

async function shown() {
  const reply = await owner.call('GET', `/groups/${group}/keyring`);
  return keyring.parse(reply.body);
}

async function revealed(name: string): Promise<string> {
  const reply = await owner.call('POST', `/groups/${group}/secrets/${name}/reveal`, {});
  return field(reply.body, 'value');
}

test('[F-15] [A7-09] after a rotation new values have the new key, older ones get it in the background, and the old key retires when nothing uses it', async () => {
  await put('old', 'before');
  await put('old', 'between');
  expect((await rotate()).status).toBe(200);
  await put('new', 'after');
  const { versions, remaining } = await shown();
  expect(versions).toMatchObject([
    { version: 2, state: 'active', uses: 1 },
    { version: 1, state: 'retiring', uses: 3, retiredAt: null },
  ]);
  expect(remaining).toBe(3);
  await rewrap();
  expect(await shown()).toMatchObject({
    versions: [
      { version: 2, state: 'active', uses: 4, encryptions: 4 },
      { version: 1, state: 'retired', uses: 0 },
    ],
    remaining: 0,
  });
  expect([await revealed('old'), await revealed('new')]).toEqual(['between', 'after']);
  const agent = await agentIn(owner, group, controlPlane);
  expect(await agent.open(await agent.pull())).toEqual({ old: 'between', new: 'after' });
});

test('[F-15] a retired key is there for a minute, for what was being read, and is destroyed then', async () => {
  await rotate();
  await rewrap();
  const [kept] = await sql<{ kept: boolean }>(
    `SELECT bool_and(wrapped_key IS NOT NULL) AS kept FROM keyring_versions k
      JOIN groups g ON g.id = k.group_id WHERE g.name = '${group}'`,
  );
  expect(kept).toEqual({ kept: true });
  controlPlane.clock.advance(60_001);
  await rewrap();
  expect(
    await sql(`SELECT version, wrapped_key IS NULL AS destroyed FROM keyring_versions k
      JOIN groups g ON g.id = k.group_id WHERE g.name = '${group}' ORDER BY version`),
  ).toEqual([
    { version: 1, destroyed: true },
    { version: 2, destroyed: false },
  ]);
  await put('s', 'value');
  expect(await revealed('s')).toBe('value');
});

test('[F-15] a writer who sealed with the old key and commits late is waited for by the rotation', async () => {
  const client = new pg.Client({ connectionString: controlPlane.databaseUrl });
  await client.connect();
  await put('s', 'value');
  await client.query('BEGIN');
  // A writer stands between sealing and its commit.
  await client.query(
    `UPDATE keyring_versions SET encryptions = encryptions + 1
      WHERE group_id = (SELECT id FROM groups WHERE name = '${group}') AND state = 'active'`,
  );
  const rotating = rotate();
  await untilWaiting('keyring_versions');
  await client.query('COMMIT');
  expect((await rotating).status).toBe(200);
  expect(await shown()).toMatchObject({ versions: [{ version: 2 }, { encryptions: 3 }] });
  await client.end();
});

/** Until some statement waits for a lock of this table's. */
async function untilWaiting(table: string): Promise<void> {
  for (;;) {
    const waiting = await sql(
      `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
        AND query ILIKE '%${table}%'`,
    );
    if (waiting.length > 0) return;
  }
}

test('[F-15] the old key is held while a batch is sealed with a newer one that is being rotated away too', async () => {
  await put('s', 'value');
  await rotate();
  await rotate();
  await Promise.all([rewrap(), rewrap(), rewrap()]);
  expect(await shown()).toMatchObject({
    versions: [
      { version: 3, state: 'active' },
      { version: 2, state: 'retired', uses: 0 },
      { version: 1, state: 'retired', uses: 0 },
    ],
    remaining: 0,
  });
  expect(await revealed('s')).toBe('value');
});

test('[F-15] what was sealed with a key that is retired before it can be stored is not stored', async () => {
  await put('s', 'value');
  await rotate();
  // As other workers would: whoever counts a seal of the new key finds it retired when it comes to store.
  await sql(
    `CREATE FUNCTION retire_counted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
       BEGIN UPDATE keyring_versions SET state = 'retired', retired_at = now()
         WHERE group_id = NEW.group_id AND version = NEW.version; RETURN NULL; END $$;
     CREATE TRIGGER retired AFTER UPDATE OF encryptions ON keyring_versions
       FOR EACH ROW EXECUTE FUNCTION retire_counted()`,
  );
  await rewrap();
  await sql('DROP TRIGGER retired ON keyring_versions');
  expect(await shown()).toMatchObject({
    versions: [
      { version: 2, state: 'retired', uses: 0 },
      { version: 1, state: 'retiring' },
    ],
  });
  expect(await revealed('s')).toBe('value');
});

test('[F-15] writers and readers go on while keys are rotated and values sealed anew', async () => {
  const names = Array.from({ length: 8 }, (_, at) => `s${at}`);
  let rotating = true;
  const written = new Map<string, string>();
  const writers = names.map(async (name) => {
    for (let version = 1; rotating; version += 1) {
      expect((await put(name, `${name} ${version}`)).status).toBeLessThan(300);
      written.set(name, `${name} ${version}`);
      expect(await revealed(name)).toBe(`${name} ${version}`);
    }
  });
  for (let round = 0; round < 4; round += 1) {
    expect((await rotate()).status).toBe(200);
    await rewrap();
  }
  rotating = false;
  await Promise.all(writers);
  await rewrap();
  for (const name of names) expect(await revealed(name)).toBe(written.get(name));
  const { versions, remaining } = await shown();
  expect(remaining).toBe(0);
  expect(versions.filter(({ state }) => state === 'retired')).toHaveLength(4);
});

test('[A7-09] a keyring is rotated by itself when its key is old or has sealed much, once however many replicas do it', async () => {
  const policy = { rotateAfterDays: 90, rotateAfterEncryptions: 1000 };
  const due = () => rotateDueKeyrings(controlPlane.platform, policy);
  const newest = async () => (await shown()).versions[0]?.version;
  controlPlane.clock.advance(90 * DAY_MS);
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  await due();
  expect(await newest()).toBe(1);
  controlPlane.clock.advance(1);
  await Promise.all([due(), due()]);
  expect(await newest()).toBe(2);
  await sql(`UPDATE keyring_versions SET encryptions = 1001 WHERE state = 'active'
    AND group_id = (SELECT id FROM groups WHERE name = '${group}')`);
  await due();
  expect(await newest()).toBe(3);
  const audited = await sql(`SELECT FROM audit_events WHERE actor_name = 'keyring rotation'
    AND action = 'keyring:rotate' AND subject = 'group:${group}'`);
  expect(audited).toHaveLength(2);
});

test('[AT-18] a key that has sealed 2^32 values seals no more, and a rotation helps', async () => {
  await sql(`UPDATE keyring_versions SET encryptions = 4294967295 WHERE state = 'active'
    AND group_id = (SELECT id FROM groups WHERE name = '${group}')`);
  expect((await put('last', 'value')).status).toBe(201);
  expect(await put('one-more', 'value')).toMatchObject({
    status: 503,
    body: { code: 'keyring.exhausted' },
  });
  await rotate();
  expect((await put('one-more', 'value')).status).toBe(201);
});

test('[F-15] a group whose key may seal no more does not hold up the others', async () => {
  await put('s', 'value');
  await rotate();
  await sql(`UPDATE keyring_versions SET encryptions = 4294967296 WHERE state = 'active'
    AND group_id = (SELECT id FROM groups WHERE name = '${group}')`);
  const exhausted = group;
  // Later groups come later.
  group = `${exhausted}-next`;
  await owner.call('POST', '/groups', { name: group });
  await put('s', 'value');
  await rotate();
  await rewrap();
  expect((await shown()).remaining).toBe(0);
  group = exhausted;
  expect((await shown()).remaining).toBe(2);
  await rotate();
  await rewrap();
  expect((await shown()).remaining).toBe(0);
});

test('[F-15] [A7-07] encrypted fields of plugins are sealed anew too, and are what they were', async () => {
  await owner.call('POST', '/plugin-types', gatewayType);
  const path = `/groups/${group}/plugins/p`;
  const config = { auth: { user: 'u', password: 'long enough' }, keys: { a: 'x' } };
  expect((await owner.call('PUT', path, { type: 'gateway', config })).status).toBe(201);
  const before = await storedFields(controlPlane, 'p');
  await rotate();
  await rewrap();
  const after = await storedFields(controlPlane, 'p');
  expect(
    [...after.values()].map(({ path: at, keyVersion }) => [at, keyVersion]).toSorted(),
  ).toEqual([
    ['/auth/password', 2],
    ['/keys/a', 2],
  ]);
  expect(after.get('/keys/a')?.sealed).not.toEqual(before.get('/keys/a')?.sealed);
  expect(await shown()).toMatchObject({ versions: [{ version: 2 }, { state: 'retired' }] });
  expect((await owner.call('PATCH', path, { config: { url: 'v' } })).status).toBe(200);
  const agent = await agentIn(owner, group, controlPlane);
  const { p = '' } = await agent.open(await agent.pull());
  expect(JSON.parse(p)).toEqual({ ...config, url: 'v' });
});

test('[F-15] every column that a keyring seals is sealed anew: the list is that of the schema', async () => {
  const columns = await sql<{ table: string; column: string }>(
    `SELECT c.table_name AS table, c.column_name AS column FROM information_schema.columns c
      JOIN information_schema.columns k USING (table_schema, table_name)
      WHERE table_schema = 'public' AND k.column_name = 'key_version' AND c.data_type = 'bytea' ORDER BY 1, 2`,
  );
  expect(columns).toEqual(
    sealedPlaces
      .map(({ table, column }) => ({ table, column }))
      .toSorted((a, b) => `${a.table} ${a.column}`.localeCompare(`${b.table} ${b.column}`)),
  );
});

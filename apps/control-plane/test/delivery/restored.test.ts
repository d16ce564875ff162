import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { agent as agentShape } from '@sallyport/contract';
import {
  ADMIN_URL_VARIABLE,
  createDatabase,
  createTestDatabase,
  type TestDatabase,
} from '@sallyport/testkit/database';
import { until } from '@sallyport/testkit/until';
import { markLostAgents } from '../../src/maintenance/maintenance.ts';
import { RootKeys, WrongRootKey } from '../../src/platform/root-keys.ts';
import { settleRestored } from '../../src/restore/settle-restored.ts';
import type { AgentClient } from '../agent-client.ts';
import { sql } from '../audit/chain.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { OperatorClient } from '../operator-client.ts';

const SECRET = '/groups/plant-7/secrets/db';
const adminUrl = process.env[ADMIN_URL_VARIABLE] ?? '';

let database: TestDatabase;
let original: TestControlPlane;
/** Of the database, from before the agent's last revision. */
let backup: TestDatabase;
let agent: AgentClient;
beforeAll(async () => {
  database = await createTestDatabase();
  original = await startControlPlane({ databaseUrl: database.url, settings: WITHOUT_WORKER });
  const owner = await OperatorClient.signedIn(original.operatorApp);
  agent = await agentIn(owner, 'plant-7', original);
  await owner.call('PUT', SECRET, { value: 'in the backup' });
  const other = await agentIn(owner, 'plant-7', original);
  await agent.openSession(undefined, generations(1));
  await agent.pull();
  await original.end();
  backup = await copyOf(database.url);

  const goesOn = await startReplica(database.url);
  const again = await OperatorClient.signedIn(goesOn.operatorApp);
  // A revision, and one that begins an epoch.
  await again.call('PUT', SECRET, { value: 'after the backup' });
  await again.call('POST', `/agents/${other.id}/revoke`);
  const later = agent.through(goesOn.agentApp);
  expect(await later.open(await later.pull())).toEqual({ db: 'after the backup' });
  for (const number of [2, 3]) await later.openSession(undefined, generations(number));
  agent = later;
  await goesOn.end();
});
afterAll(async () => {
  await backup.drop();
  await database.drop();
});

/** What an agent shows that moves on to a generation, as it would draw one. */
function generations(number: number): { current: string | null; next: string } {
  const drawn = (which: number) => String(which).padStart(22, '0');
  return { current: number === 1 ? null : drawn(number - 1), next: drawn(number) };
}

const copyOf = (databaseUrl: string) =>
  createDatabase(adminUrl, new URL(databaseUrl).pathname.slice(1));

async function startReplica(databaseUrl: string): Promise<TestControlPlane> {
  const { rootKey, clock } = original;
  const startMs = clock.now();
  return startControlPlane({ databaseUrl, rootKey, startMs, settings: WITHOUT_WORKER });
}

let copy: TestDatabase;
let restored: TestControlPlane;
let owner: OperatorClient;
/** The agent, at the control plane that was restored. */
let ahead: AgentClient;
beforeEach(async () => {
  copy = await copyOf(backup.url);
  restored = await startReplica(copy.url);
  owner = await OperatorClient.signedIn(restored.operatorApp);
  const { revision, epoch } = agent;
  ahead = Object.assign(agent.through(restored.agentApp), { revision, epoch });
});
afterEach(async () => {
  await restored.end();
  await copy.drop();
});

const settle = (rootKeys = restored.platform.rootKeys) =>
  settleRestored({ ...restored.platform, rootKeys });
const refused = { status: 409, body: { code: 'revision.ahead' } };

test('an agent that runs more than a restored control plane has is told what is to be done there, and operators see that it is behind', async () => {
  const told = await ahead.pullRaw();
  expect(told).toMatchObject(refused);
  expect(told.text).toContain('run sallyport-server after-restore');
  const seen = async () => agentShape.parse((await owner.call('GET', `/agents/${ahead.id}`)).body);
  await until(async () => (await seen()).appliedRevision === 0);
  await markLostAgents(restored.platform);
  restored.clock.advance(61_000);
  expect(await seen()).toMatchObject({ state: 'stale' });
});

test('an agent of a later epoch alone is told the same: it would refuse all that is sealed for an older one', async () => {
  ahead.revision = 0;
  expect(await ahead.pullRaw()).toMatchObject(refused);
});

test('after-restore: agents take what the backup holds, under a new key, and operators sign in anew', async () => {
  expect(await ahead.pullRaw()).toMatchObject(refused);
  expect(await settle()).toEqual({ groups: 1, sessions: 2 });
  expect(await owner.call('GET', '/groups')).toMatchObject({ status: 401 });
  const pulled = await ahead.pull(30);
  expect(pulled).toMatchObject({ deliveryKey: expect.any(String) });
  expect(await ahead.open(pulled)).toEqual({ db: 'in the backup' });
  const recorded = `SELECT action FROM audit_events WHERE actor_name = 'after-restore' ORDER BY seq`;
  const actions = ['group:restore', 'installation:restore'].map((action) => ({ action }));
  expect(await sql(restored.databaseUrl, recorded)).toEqual(actions);
});

test('after-restore helps where the group has meanwhile made as many revisions and epochs as the agent runs, of other content', async () => {
  const third = await agentIn(owner, 'plant-7', restored);
  await owner.call('PUT', SECRET, { value: 'after the restore' });
  await owner.call('POST', `/agents/${third.id}/revoke`);
  // By their numbers alone the two are the same.
  expect((await ahead.pullRaw()).status).toBe(204);
  await settle();
  expect(await ahead.open(await ahead.pull(30))).toEqual({ db: 'after the restore' });
});

test('[F-10] after-restore: no agent is taken for a copy of itself, as it would be by the generation of the backup', async () => {
  await owner.call('PATCH', '/groups/plant-7', { clones: 'refuse' });
  const refusedAsCopy = { status: 401, body: { code: 'agent.cloned' } };
  expect(await ahead.openSession(undefined, generations(4))).toMatchObject(refusedAsCopy);
  await settle();
  expect((await ahead.openSession(undefined, generations(4))).status).toBe(200);
  // From then on a copy is told again.
  expect((await ahead.openSession(undefined, generations(5))).status).toBe(200);
  expect(await ahead.openSession(undefined, generations(4))).toMatchObject(refusedAsCopy);
});

test('after-restore changes nothing without the root key of the backup, nor in a database that holds no installation', async () => {
  const other = new RootKeys([Buffer.alloc(32, 1)]);
  await expect(settle(other)).rejects.toThrow(WrongRootKey);
  expect((await owner.call('GET', '/groups')).status).toBe(200);
  await sql(restored.databaseUrl, 'DELETE FROM installations');
  await expect(settle()).rejects.toThrow('this database holds no installation');
});

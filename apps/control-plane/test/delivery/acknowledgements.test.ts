import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { writeAcknowledgements } from '../../src/delivery/delivery.store.ts';
import { markLostAgents } from '../../src/maintenance/maintenance.ts';
import type { AgentClient } from '../agent-client.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { OperatorClient } from '../operator-client.ts';

const AGENTS = 10;
const PULLS_OF_EACH = 20;
/** Counts, as its owner, the statements that write when an agent was last heard of. */
const COUNTER = `
  CREATE SEQUENCE writes;
  CREATE FUNCTION count_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    AS $$ BEGIN PERFORM nextval('writes'); RETURN NULL; END $$;
  CREATE TRIGGER counted AFTER UPDATE OF last_seen_at ON agents
    FOR EACH STATEMENT EXECUTE FUNCTION count_write()`;

let controlPlane: TestControlPlane;
let agents: AgentClient[];
beforeAll(async () => {
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER });
  const owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  agents = [];
  for (let made = 0; made < AGENTS; made += 1)
    agents.push(await agentIn(owner, 'plant-7', controlPlane));
  await owner.call('PUT', '/groups/plant-7/secrets/a', { value: 'value' });
});
afterAll(() => controlPlane.end());

async function number(query: string): Promise<number> {
  return asAdmin(controlPlane.databaseUrl, async (client) => {
    const { rows } = await client.query<{ is: number }>(`SELECT (${query})::int AS is`);
    return rows[0]?.is ?? 0;
  });
}

test('[F-12] what agents acknowledge reaches the database in one statement a second, and none of it is lost', async () => {
  await asAdmin(controlPlane.databaseUrl, (client) => client.query(COUNTER));
  const begun = performance.now();
  await Promise.all(
    agents.map(async (agent) => {
      for (let pulls = 0; pulls < PULLS_OF_EACH; pulls += 1) await agent.pull();
    }),
  );
  const behind = `SELECT count(*) FROM agents a JOIN groups g ON g.id = a.group_id
    WHERE a.applied_revision < g.revision`;
  while ((await number(behind)) > 0) await setImmediate();
  const seconds = (performance.now() - begun) / 1000;
  const writes = await number('SELECT last_value FROM writes WHERE is_called');
  expect(writes).toBeGreaterThan(0);
  expect(writes).toBeLessThanOrEqual(seconds + 1);
});

/** Refuses, as its owner, to note when an agent was last heard of. */
const REFUSAL = `
  CREATE FUNCTION refuse_write() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
  CREATE TRIGGER refused BEFORE UPDATE OF last_seen_at ON agents
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_write()`;

test('[F-12] what could not be written is written as soon as it can be, though no agent says more', async () => {
  await asAdmin(controlPlane.databaseUrl, (client) => client.query(REFUSAL));
  const before = await dealtWith();
  await agents[0]?.pull();
  while (!controlPlane.logged().includes('acknowledgements could not be written'))
    await setImmediate();
  await asAdmin(controlPlane.databaseUrl, (client) =>
    client.query('DROP TRIGGER refused ON agents'),
  );
  while ((await dealtWith()) === before) await setImmediate();
});

/** How many words of agents were dealt with: written, with what follows from them. */
async function dealtWith(): Promise<number> {
  const { values } = await controlPlane.platform.metrics.acknowledged.get();
  return values.reduce((sum, { value }) => sum + value, 0);
}

test('a word of an agent that is written after it was lost, and was heard long before, does not bring it back', async () => {
  const { clock, platform } = controlPlane;
  const [agent] = agents;
  const before = await dealtWith();
  await agent?.pull();
  clock.advance(60 * 60_000);
  await markLostAgents(platform);
  while ((await dealtWith()) === before) await setImmediate();
  expect(await number('SELECT count(*) FROM agents WHERE lost_at IS NULL')).toBe(0);
});

test('an agent that is revoked does not come back, whatever it said last', async () => {
  const { clock, databaseUrl, platform } = controlPlane;
  const [revoked = '', other = ''] = agents.map(({ id }) => id);
  const groupId = await asAdmin(databaseUrl, async (client) => {
    await client.query('UPDATE agents SET lost_at = now()');
    await client.query('UPDATE agents SET revoked_at = now() WHERE id = $1', [revoked]);
    return String((await client.query('SELECT id FROM groups')).rows[0]?.['id']);
  });
  const said = { groupId, revision: 1, status: 'active', seenAtMs: clock.now() } as const;
  const batch = [revoked, other].map((agentId) => ({ ...said, agentId }));
  const back = await platform.db.write((writer) => writeAcknowledgements(writer, batch));
  expect(back).toEqual([other]);
});

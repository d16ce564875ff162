import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { Acknowledgements } from '../../src/delivery/acknowledgements.ts';
import { markLostAgents } from '../../src/maintenance/maintenance.ts';
import { sql } from '../audit/chain.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { whileHeld } from '../lock-waits.ts';
import { OperatorClient } from '../operator-client.ts';

const MANY = 5_000;
/** Of one transaction: it ends well before its limit, and who waits for one of its rows does not wait long. */
const MOST = 500;

type Made = { agentId: string; groupId: string };

let controlPlane: TestControlPlane;
beforeAll(async () => {
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER });
  const owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  await owner.call('POST', '/groups', { name: 'many' });
});
beforeEach(() => sql(controlPlane.databaseUrl, 'DELETE FROM agents'));
afterAll(() => controlPlane.end());

/** Agents that were last heard of an hour ago, unless something else is said. */
function make(
  count: number,
  but: { heardAt?: Date; lostAt?: Date; revokedAt?: Date } = {},
): Promise<Made[]> {
  const { heardAt = new Date(controlPlane.clock.now() - 60 * 60_000), lostAt, revokedAt } = but;
  return sql(
    controlPlane.databaseUrl,
    `INSERT INTO agents (id, group_id, name, signing_key, encryption_key, key_thumbprint, facts, enrolled_at,
                         last_seen_at, lost_at, revoked_at)
     SELECT made.id, g.id, made.id, '{}', '{}', made.id, '{}', $2, $2, $3, $4
     FROM groups g, (SELECT gen_random_uuid() AS id FROM generate_series(1, $1::int)) AS made
     RETURNING id AS "agentId", group_id AS "groupId"`,
    [count, heardAt, lostAt, revokedAt],
  );
}

async function lost(): Promise<string[]> {
  const found = 'SELECT id FROM agents WHERE lost_at IS NOT NULL';
  return (await sql<{ id: string }>(controlPlane.databaseUrl, found))
    .map(({ id }) => id)
    .toSorted();
}

/** Whom events of this action tell of, and how many of them each transaction wrote. */
async function told(action: string): Promise<{ agents: string[]; perTransaction: number[] }> {
  const rows = await sql<{ agents: string[] }>(
    controlPlane.databaseUrl,
    `SELECT array_agg(split_part(subject, ':', 2)) AS agents FROM audit_events WHERE action = $1 GROUP BY xmin`,
    [action],
  );
  return {
    agents: rows.flatMap(({ agents }) => agents).toSorted(),
    perTransaction: rows.map(({ agents }) => agents.length),
  };
}

const ids = (agents: Made[]) => agents.map(({ agentId }) => agentId).toSorted();

test('of many that fall silent at once each is lost after one run and has its event, and none that is heard of, revoked or just written', async () => {
  const { clock, platform, databaseUrl } = controlPlane;
  const now = new Date(clock.now());
  const silent = await make(MANY);
  const written = await make(1);
  await make(1, { heardAt: now });
  await make(1, { revokedAt: now });
  await whileHeld(
    databaseUrl,
    `SELECT FROM agents WHERE id = '${ids(written).join()}' FOR UPDATE`,
    () => markLostAgents(platform),
  );
  expect(await lost()).toEqual(ids(silent));
  const { agents, perTransaction } = await told('agent:lose');
  expect(agents).toEqual(ids(silent));
  expect(Math.max(...perTransaction)).toBeLessThanOrEqual(MOST);

  await markLostAgents(platform);
  const all = ids([...silent, ...written]);
  expect(await lost()).toEqual(all);
  expect((await told('agent:lose')).agents).toEqual(all);
});

test('of many lost ones that come back at once each has its event, and none that was not lost or is revoked', async () => {
  const { clock, platform } = controlPlane;
  const now = new Date(clock.now());
  const back = await make(MANY, { lostAt: now });
  const revoked = await make(1, { lostAt: now, revokedAt: now });
  const acknowledgements = new Acknowledgements(platform);
  for (const agent of [...back, ...revoked, ...(await make(1))])
    acknowledgements.record(agent, 1, 'current');
  await acknowledgements.flush();
  await acknowledgements.close();
  expect(await lost()).toEqual(ids(revoked));
  const { agents, perTransaction } = await told('agent:return');
  expect(agents).toEqual(ids(back));
  expect(Math.max(...perTransaction)).toBeLessThanOrEqual(MOST);
});

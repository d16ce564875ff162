import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { forgetExpired } from '../../src/maintenance/forget-expired.ts';
import { sql } from '../audit/chain.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { whileHeld } from '../lock-waits.ts';
import { OperatorClient } from '../operator-client.ts';

const SECOND_MS = 1_000;
const DAY_MS = 24 * 60 * 60 * SECOND_MS;
/** After its last certificate has ended an agent may get another one for so long. */
const RECOVERY_DAYS = 30;

const agentCertificates = {
  trustDomain: 'sallyport',
  lifetimeHours: 24,
  recoveryDays: RECOVERY_DAYS,
};

let controlPlane: TestControlPlane;
/** An agent, its group and an operator, for rows to belong to. */
let agentId: string;
beforeAll(async () => {
  controlPlane = await startControlPlane({
    settings: { ...WITHOUT_WORKER, agentCertificates },
  });
  const owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  agentId = (await agentIn(owner, 'plant-7', controlPlane)).id;
});
afterAll(() => controlPlane.end());

const owned = `FROM agents a, operators o WHERE a.id = $3`;

/** For each table: how long its rows outlive their end, and a row by its id that ended at a time. */
const kinds: [table: string, keptMs: number, insert: string, id?: string][] = [
  [
    'enrollment_tokens',
    DAY_MS,
    `(id, group_id, secret_hash, uses, uses_left, created_by, created_at, expires_at)
      SELECT $1::uuid, a.group_id, '', 1, 1, o.name, $2, $2 ${owned}`,
  ],
  [
    'agent_tokens',
    DAY_MS,
    `(id, agent_id, secret_hash, created_by, created_at, expires_at)
      SELECT $1::uuid, a.id, '', o.name, $2, $2 ${owned}`,
  ],
  [
    'agent_certificates',
    (RECOVERY_DAYS + 1) * DAY_MS,
    `(id, agent_id, authority_id, serial_number, key_thumbprint, issued_at, expires_at)
      SELECT $1::uuid, a.id, c.id, $1, $1, $2, $2 FROM agents a, certificate_authorities c WHERE a.id = $3`,
  ],
  ['used_assertions', 0, `(id, expires_at) SELECT $1, $2 ${owned}`],
  [
    'leases',
    30 * DAY_MS,
    `(id, group_id, secret_id, secret_name, version, agent_id, application, request_id, granted_at, expires_at, lasts_until)
      SELECT $1::uuid, a.group_id, a.id, 'db', 1, a.id, '{}', $1, $2, $2, $2 ${owned}`,
  ],
  [
    'tasks',
    30 * DAY_MS,
    `(id, agent_id, kind, state, created_by, created_at, finished_at)
      SELECT $1::uuid, a.id, 'diagnose', 'completed', o.name, $2, $2 ${owned}`,
  ],
  [
    'operator_sessions',
    0,
    `(id, operator_id, secret_hash, created_at, expires_at) SELECT $1::uuid, o.id, '', $2, $2 ${owned}`,
  ],
  ['sign_in_failures', DAY_MS, `(name, failures, last_at) SELECT $1, 1, $2 ${owned}`, 'name'],
  [
    'idempotency_keys',
    DAY_MS,
    `(id, principal_id, key_hash, sealed_exchange, lease, leased_at, created_at)
      SELECT $1::uuid, o.id, $1, '', o.id, $2, $2 ${owned}`,
  ],
];

test('[AT-21] every kind of row that expires is forgotten when its time is over, and no sooner', async () => {
  const { databaseUrl, clock, platform } = controlPlane;
  const made = kinds.map(([table, keptMs, insert, key = 'id']) => {
    const endedAt = (moreMs: number) => new Date(clock.now() - keptMs - moreMs);
    const rows = { over: randomUUID(), kept: randomUUID() };
    return { table, insert, key, rows, over: endedAt(SECOND_MS), kept: endedAt(-SECOND_MS) };
  });
  for (const { table, insert, rows, over, kept } of made) {
    await sql(databaseUrl, `INSERT INTO ${table} ${insert}`, [rows.over, over, agentId]);
    await sql(databaseUrl, `INSERT INTO ${table} ${insert}`, [rows.kept, kept, agentId]);
  }
  const left = async ({ table, key, rows }: (typeof made)[number]) => {
    const query = `SELECT ${key}::text AS id FROM ${table} WHERE ${key}::text = ANY ($1)`;
    const found = await sql<{ id: string }>(databaseUrl, query, [Object.values(rows)]);
    return { table, ids: found.map(({ id }) => id).toSorted() };
  };
  expect(await Promise.all(made.map(left))).toEqual(
    made.map(({ table, rows }) => ({ table, ids: Object.values(rows).toSorted() })),
  );
  await forgetExpired(platform);
  expect(await Promise.all(made.map(left))).toEqual(
    made.map(({ table, rows }) => ({ table, ids: [rows.kept] })),
  );
});

test('bundles of revisions that a group has left are forgotten after an hour, and that of its own is kept', async () => {
  const { databaseUrl, clock, platform } = controlPlane;
  const insert = `INSERT INTO bundles (group_id, revision, epoch, durable, created_at)
    SELECT g.id, g.revision - $1::int, 1, '', $2 FROM groups g WHERE g.name = 'plant-7'`;
  await sql(databaseUrl, `UPDATE groups SET revision = 9 WHERE name = 'plant-7'`, []);
  const madeAgo = (ms: number) => new Date(clock.now() - ms);
  for (const [left, ago] of [
    [0, DAY_MS],
    [1, 3_599 * SECOND_MS],
    [2, 3_601 * SECOND_MS],
  ] as const)
    await sql(databaseUrl, insert, [left, madeAgo(ago)]);
  await forgetExpired(platform);
  const kept = await sql(databaseUrl, 'SELECT revision FROM bundles ORDER BY revision', []);
  expect(kept).toEqual([{ revision: 8 }, { revision: 9 }]);
});

test('[AT-21] a backlog is removed in pieces, and rows that cannot be removed keep those of no other kind', async () => {
  const { databaseUrl, clock, platform } = controlPlane;
  const over = new Date(clock.now() - 2 * DAY_MS);
  const insert = `INSERT INTO used_assertions (id, expires_at) SELECT 'late ' || n, $1 FROM generate_series(1, $2) AS n`;
  await sql(databaseUrl, insert, [over, 12_000]);
  await sql(databaseUrl, `INSERT INTO sign_in_failures VALUES ('held', 1, NULL, $1)`, [over]);
  const left = () =>
    sql(
      databaseUrl,
      `SELECT id FROM used_assertions WHERE id LIKE 'late %' UNION ALL SELECT name FROM sign_in_failures WHERE name = 'held'`,
    );
  await whileHeld(databaseUrl, 'SELECT FROM sign_in_failures FOR UPDATE', async () => {
    await expect(forgetExpired(platform)).rejects.toMatchObject({ code: 'group.busy' });
    expect(await left()).toEqual([{ id: 'held' }]);
  });
  await forgetExpired(platform);
  expect(await left()).toEqual([]);
}, 30_000);

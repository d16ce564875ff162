import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { everyChange } from '../changes.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { OperatorClient } from '../operator-client.ts';

/** Written by the sequencer after the event is committed, at a time of its own. */
const CHAIN = ['audit_links', 'audit_progress', 'audit_checkpoints'];
/** An assertion that was shown is used up, whatever becomes of what it was shown for. */
const USED_UP = ['used_assertions'];
/** What writes to the audit alone: it has no other part that could come undone. */
const AUDIT_ALONE = [
  'secret:reveal done',
  'bundle:export done',
  'agent:enroll refused',
  'plugin-type:check done',
  'audit:checkpoint done',
  'audit:export done',
];

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let tables: string[];
beforeAll(async () => {
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  const found = await sql(`SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`);
  tables = found
    .map(({ name }) => String(name))
    .filter((name) => ![...CHAIN, ...USED_UP].includes(name))
    .toSorted();
  await sql(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'the disk is full'; END $$`);
});
afterAll(() => controlPlane.end());

async function sql(statement: string): Promise<Record<string, unknown>[]> {
  return asAdmin(controlPlane.databaseUrl, async (client) => {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  });
}

/** Does something while the database refuses, at each commit, what was written to these tables. */
async function refusing<T>(refused: string[], act: () => Promise<T>): Promise<T> {
  const trigger = (table: string) =>
    `CREATE CONSTRAINT TRIGGER refusal AFTER INSERT OR UPDATE OR DELETE ON ${table}
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`;
  await sql(refused.map(trigger).join(';'));
  try {
    return await act();
  } finally {
    await sql(refused.map((table) => `DROP TRIGGER refusal ON ${table}`).join(';'));
  }
}

/** All that is stored, as text by table. */
async function everyRow(): Promise<Record<string, unknown>[]> {
  const contents = tables.map(
    (table) =>
      `SELECT '${table}' AS name, array_agg(t::text ORDER BY t::text) AS rows FROM ${table} t`,
  );
  return sql(contents.join(' UNION ALL '));
}

test('a change and its audit event are kept together or not at all, and nothing is released without', async () => {
  const others = tables.filter((table) => table !== 'audit_events');
  for (const { action, outcome, act } of await everyChange(controlPlane, owner, 'plant-7')) {
    const before = await everyRow();
    for (const refused of [['audit_events'], others]) {
      if (refused === others && AUDIT_ALONE.includes(`${action} ${outcome}`)) continue;
      const { status, text } = await refusing(refused, act);
      expect({ action, refused, status }).toEqual({ action, refused, status: 500 });
      expect(text).not.toMatch(/"value"|"token"|disk is full/);
      expect({ action, refused, rows: await everyRow() }).toEqual({
        action,
        refused,
        rows: before,
      });
    }
    const { status } = await act();
    expect({ action, done: status < 400 }).toEqual({ action, done: outcome === 'done' });
  }
}, 60_000);

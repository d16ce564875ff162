import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { AS_APPLICATION } from '../../src/platform/application-role.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { OperatorClient } from '../operator-client.ts';
import { allPlaced, sql } from './chain.ts';

let controlPlane: TestControlPlane;
let application: pg.Client;
let superuser: pg.Client;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  const owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  await owner.call('POST', '/audit/checkpoints');
  await allPlaced(controlPlane.databaseUrl);
  await owner.call('POST', '/audit/checkpoints');
  const connectionString = controlPlane.databaseUrl;
  application = new pg.Client({ connectionString, options: AS_APPLICATION });
  superuser = new pg.Client({ connectionString });
  await Promise.all([application.connect(), superuser.connect()]);
});
afterAll(async () => {
  await Promise.all([application.end(), superuser.end()]);
  await controlPlane.end();
});

const changes = ['audit_events', 'audit_links', 'audit_checkpoints'].flatMap((table) => {
  const column = { audit_events: 'action', audit_links: 'hash', audit_checkpoints: 'note' }[table];
  return [
    `UPDATE ${table} SET ${column} = ${column}`,
    `DELETE FROM ${table}`,
    `DELETE FROM ${table} WHERE false`,
    `TRUNCATE ${table}`,
  ];
});

async function rows(): Promise<unknown> {
  return sql(
    controlPlane.databaseUrl,
    `SELECT (SELECT md5(string_agg(e::text, '' ORDER BY id)) FROM audit_events e) AS events,
            (SELECT md5(string_agg(l::text, '' ORDER BY position)) FROM audit_links l) AS links,
            (SELECT md5(string_agg(c::text, '' ORDER BY id)) FROM audit_checkpoints c) AS checkpoints`,
  );
}

describe('what is recorded', () => {
  test.each(changes)(
    '[A7-17] %s is refused: to the application by its role, to the owner by a trigger',
    async (change) => {
      const before = await rows();
      await expect(application.query(change)).rejects.toMatchObject({
        code: '42501',
        message: expect.stringMatching(/^permission denied for table/),
      });
      await expect(superuser.query(change)).rejects.toMatchObject({
        code: '42501',
        message: expect.stringMatching(/is not changed once it is written$/),
      });
      expect(await rows()).toEqual(before);
    },
  );
});

test.each([
  ['switch triggers off', 'ALTER TABLE audit_events DISABLE TRIGGER ALL'],
  ['switch triggers off for its session', 'SET session_replication_role = replica'],
  ['drop a trigger', 'DROP TRIGGER audit_links_immutable ON audit_links'],
  ['drop a table', 'DROP TABLE audit_links'],
  [
    'replace the function that refuses',
    `CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
  ],
  [
    'make a function of its own there',
    `CREATE FUNCTION audit_drop_segment(text) RETURNS int LANGUAGE sql AS 'SELECT 1'`,
  ],
  [
    'choose the number of an event',
    `INSERT INTO audit_events SELECT gen_random_uuid(), at, actor_kind, actor_id, actor_name, action, subject, group_id, outcome, address, request_id, details, 1000000 FROM audit_events LIMIT 1`,
  ],
  ['move the numbers', `SELECT setval('audit_events_seq_seq', 1)`],
  ['read what migrations ran', 'SELECT FROM _prisma_migrations'],
])('[A7-17] the application’s role cannot %s', async (_, statement) => {
  await expect(application.query(statement)).rejects.toMatchObject({ code: '42501' });
});

test('[A7-17] a link that was written, the one who writes links cannot write again', async () => {
  const again = `INSERT INTO audit_links SELECT position, -1, hash FROM audit_links LIMIT 1`;
  await expect(application.query(again)).rejects.toMatchObject({ code: '23505' });
  const placedAgain = `INSERT INTO audit_links SELECT 1000000, event_seq, hash FROM audit_links LIMIT 1`;
  await expect(application.query(placedAgain)).rejects.toMatchObject({ code: '23505' });
});

describe('[AT-21] the function of retention', () => {
  const month = `now() - interval '31 days'`;

  test.each([
    ['what is younger than a month', '2', 'now()', /kept for 30 days/],
    ['what does not end at a checkpoint', '999999', month, /no checkpoint ends a segment/],
    [
      'events that are younger than what it is told',
      '(SELECT min(size) FROM audit_checkpoints)',
      month,
      /has events that are kept/,
    ],
  ])('does not drop %s', async (_, upTo, cutoff, message) => {
    const before = await rows();
    const call = `SELECT audit_drop_segment(${upTo}, ${cutoff})`;
    for (const client of [application, superuser])
      await expect(client.query(call)).rejects.toMatchObject({
        message: expect.stringMatching(message),
      });
    expect(await rows()).toEqual(before);
  });

  test('is not helped by one that has its name in another place', async () => {
    await superuser.query(`CREATE SCHEMA fake;
      CREATE FUNCTION fake.audit_drop_segment(bigint, timestamptz) RETURNS void LANGUAGE plpgsql
        AS 'BEGIN DELETE FROM public.audit_links; END'`);
    await expect(superuser.query('SELECT fake.audit_drop_segment(1, now())')).rejects.toMatchObject(
      {
        code: '42501',
      },
    );
  });
});

test('[A7-17] every connection of a control plane runs as that role, whatever it logs in as', async () => {
  const { db } = controlPlane.platform;
  const who = 'SELECT current_user::text AS who, session_user::text AS login';
  const asked = [
    db.direct({ text: who }, []),
    db.read((reader) => reader.$queryRawUnsafe(who)),
    db.transaction((tx) => tx.$queryRawUnsafe(who)),
  ];
  for (const answer of await Promise.all(asked))
    expect(answer).toEqual([{ who: 'sallyport_app', login: 'postgres' }]);
  // Of those that cannot be asked: what they sent when they connected, as far as the server tells.
  const owned = await sql(
    controlPlane.databaseUrl,
    `SELECT tableowner FROM pg_tables WHERE tableowner = 'sallyport_app' AND schemaname <> 'bullmq'`,
  );
  expect(owned).toEqual([]);
});

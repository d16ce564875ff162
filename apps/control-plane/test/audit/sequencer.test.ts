import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createClock } from '@sallyport/testkit/clock';
import { createTestDatabase, type TestDatabase } from '@sallyport/testkit/database';
import pg from 'pg';
import { appendAuditEvent, Sequencer } from '../../src/audit/index.ts';
import { Database } from '../../src/platform/db.ts';
import { createLog } from '../../src/platform/log.ts';
import { act, allPlaced, chainState, op, sql } from './chain.ts';

const clock = createClock();
const log = createLog('silent', { write: () => {} });

let database: TestDatabase;
let db: Database;
let sequencers: Sequencer[];
beforeEach(async () => {
  database = await createTestDatabase();
  db = new Database({ connectionString: database.url });
  sequencers = [];
});
afterEach(async () => {
  await Promise.all(sequencers.map((sequencer) => sequencer.stop()));
  await db.close();
  await database.drop();
});

function start(): Sequencer {
  const sequencer = new Sequencer({ connectionString: database.url }, { db, log, clock });
  sequencer.start();
  sequencers.push(sequencer);
  return sequencer;
}

const append = () => db.transaction((tx) => appendAuditEvent(tx, op, act, clock.now()));

const INSERT = `INSERT INTO audit_events (id, at, actor_kind, actor_name, action, subject, outcome, address, request_id, details)
  VALUES (gen_random_uuid(), now(), 'system', 'test', 'agent:lose', 'agent:1', 'done', 'local', 'r', '{}')`;

/** A transaction that has appended one event, to be ended by the test. */
async function held(): Promise<{ end(how: 'COMMIT' | 'ROLLBACK'): Promise<void> }> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query('BEGIN');
  await client.query(INSERT);
  return {
    end: async (how) => {
      await client.query(how);
      await client.end();
    },
  };
}

async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}

const links = async () => (await chainState(database.url)).links;

describe('[A7-17] the sequencer', () => {
  test('gives events their places in order, those too that were there before it', async () => {
    for (let event = 0; event < 5; event += 1) await append();
    start();
    await until(async () => (await links()) === 5);
    await Promise.all(Array.from({ length: 30 }, append));
    expect(await allPlaced(database.url)).toEqual({ events: 35, links: 35, last: 35, doubles: 0 });
    const inOrder = await sql(
      database.url,
      `SELECT FROM audit_links l JOIN audit_links n ON n.position = l.position + 1 WHERE n.event_seq < l.event_seq
          AND l.position < 5`,
    );
    expect(inOrder).toEqual([]);
  });

  test('without events keeps its lock, and asks for nothing for longer than the database waits', async () => {
    const leader = async () =>
      sql<{ pid: number; asked: number }>(
        database.url,
        `SELECT pid, extract(epoch FROM query_start)::float8 AS asked
           FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND objid = 7205602
            AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      );
    const sequencer = start();
    await until(() => sequencer.leads);
    const [first] = await leader();
    const since = first?.asked ?? Infinity;
    await until(async () => {
      const [now] = await leader();
      expect(now?.pid).toBe(first?.pid);
      return now !== undefined && now.asked > since + 2;
    });
  });

  test('gives an event its place when it hears of it, and not at its next look a second later', async () => {
    const sequencer = start();
    await until(() => sequencer.leads);
    await append();
    await allPlaced(database.url);
    const taken: number[] = [];
    for (let round = 0; round < 11; round += 1) {
      await append();
      const committedAt = performance.now();
      await allPlaced(database.url);
      taken.push(performance.now() - committedAt);
    }
    // The median: the machine of a test has other things to do at times.
    expect(taken.toSorted((a, b) => a - b)[5]).toBeLessThan(500);
  });

  test('waits for nobody: what is committed is placed while an earlier transaction is open, which is placed later', async () => {
    start();
    const open = await held();
    const undone = await held();
    await append();
    await until(async () => (await links()) === 1);
    await undone.end('ROLLBACK');
    await append();
    await until(async () => (await links()) === 2);
    await open.end('COMMIT');
    expect(await allPlaced(database.url)).toEqual({ events: 3, links: 3, last: 3, doubles: 0 });
    const order = await sql<{ seq: number }>(
      database.url,
      'SELECT event_seq::int AS seq FROM audit_links ORDER BY position',
    );
    expect(order).toEqual([{ seq: 3 }, { seq: 4 }, { seq: 1 }]);
  });

  test('finds, as a new leader, what was committed late while nobody led', async () => {
    const first = start();
    const open = await held();
    await append();
    await until(async () => (await links()) === 1);
    await first.stop();
    await open.end('COMMIT');
    start();
    expect(await allPlaced(database.url)).toMatchObject({ events: 2, links: 2, last: 2 });
  });

  test('goes on from where it is told to look, and past numbers that nobody used', async () => {
    for (let event = 0; event < 3; event += 1) await append();
    const first = start();
    await allPlaced(database.url);
    await first.stop();
    await sql(database.url, 'INSERT INTO audit_progress VALUES (1, 2)');
    await sql(database.url, `SELECT setval('audit_events_seq_seq', 5000)`);
    await append();
    start();
    expect(await allPlaced(database.url)).toMatchObject({ links: 4, last: 4 });
    await append();
    expect(await allPlaced(database.url)).toMatchObject({ links: 5, last: 5 });
  });
});

describe('[F-19] many writers at once', () => {
  test('that commit late, out of order or not at all, while others take ids: each event has its place once', async () => {
    start();
    const writers = Array.from({ length: 12 }, async (_, number) => {
      const client = new pg.Client({ connectionString: database.url });
      await client.connect();
      for (let round = 0; round < 40; round += 1) {
        const kind = (number + round) % 4;
        await client.query('BEGIN');
        // An id without a number, and numbers that are given back.
        if (kind === 0) await client.query('SELECT pg_current_xact_id()');
        else await client.query(INSERT);
        if (kind === 1) await client.query(`SELECT pg_sleep(random() * 0.02)`);
        await client.query(kind === 2 ? 'ROLLBACK' : 'COMMIT');
      }
      await client.end();
    });
    await Promise.all(writers);
    const { events } = await chainState(database.url);
    expect(await allPlaced(database.url)).toEqual({
      events,
      links: events,
      last: events,
      doubles: 0,
    });
  });
});

describe('two sequencers', () => {
  test('are one leader, and the other takes over within seconds when its connection is lost, without gap or double', async () => {
    const [one, other] = [start(), start()];
    await until(() => one.leads || other.leads);
    await append();
    await allPlaced(database.url);
    expect([one.leads, other.leads].filter(Boolean)).toHaveLength(1);
    const lost = performance.now();
    for (let round = 0; round < 3; round += 1) {
      await sql(
        database.url,
        `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7205602
            AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      );
      await Promise.all(Array.from({ length: 10 }, append));
      await allPlaced(database.url);
    }
    expect(performance.now() - lost).toBeLessThan(10_000);
    expect(await chainState(database.url)).toEqual({ events: 31, links: 31, last: 31, doubles: 0 });
  });
});

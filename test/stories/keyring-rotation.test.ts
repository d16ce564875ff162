import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { keyring, revealedSecret, secret } from '@sallyport/contract';
import { asAdmin } from '@sallyport/testkit/database';
import { until } from '@sallyport/testkit/until';
import pg from 'pg';
import type { Host } from '../fixtures/host.ts';
import { Installation, type Replica } from '../fixtures/installation.ts';
import type { Operator } from '../fixtures/operator.ts';

const GROUP = '/groups/plant-7';
const SECRETS = ['a', 'b', 'c'];
/** Where a rotation can be stopped, with the advisory lock that stops it there. */
const GATES = { values: 1, deliveryKeys: 2, retirement: 3, lateWriter: 4 };
const STORY_MS = 180_000;
const WRITE_EVERY_MS = 100;

let installation: Installation;
let replica: Replica;
let owner: Operator;
let host: Host;
/** Holds the gates; a connection of its own. */
let keeper: pg.Client;
beforeAll(async () => {
  installation = await Installation.create();
  replica = await installation.startReplica('control-plane');
  owner = await installation.signIn(replica);
  await owner.do('POST', '/groups', { name: 'plant-7' });
  host = await installation.enrolledHost(owner, replica, 'plant-7', 'host');
  await host.run();
  for (const name of SECRETS) await write(name);
  keeper = new pg.Client({ connectionString: installation.databaseUrl });
  await keeper.connect();
  await keeper.query(`
    CREATE TABLE retirements (version int, uses bigint);
    CREATE FUNCTION pass_gate() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_advisory_xact_lock_shared(TG_ARGV[0]::int); RETURN NEW; END $$;
    CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN
        INSERT INTO retirements SELECT NEW.version,
          (SELECT count(*) FROM secret_versions WHERE key_version = NEW.version)
          + (SELECT count(*) FROM delivery_keys WHERE key_version = NEW.version);
        NOTIFY retirement;
        RETURN NULL;
      END $$;
    CREATE TRIGGER gate BEFORE UPDATE ON secret_versions FOR EACH ROW
      EXECUTE FUNCTION pass_gate(${GATES.values});
    CREATE TRIGGER gate BEFORE UPDATE ON delivery_keys FOR EACH ROW
      EXECUTE FUNCTION pass_gate(${GATES.deliveryKeys});
    CREATE TRIGGER gate BEFORE UPDATE ON keyring_versions FOR EACH ROW
      WHEN (NEW.state = 'retired') EXECUTE FUNCTION pass_gate(${GATES.retirement});
    CREATE TRIGGER gate BEFORE INSERT ON audit_events FOR EACH ROW
      WHEN (NEW.subject = 'secret:late') EXECUTE FUNCTION pass_gate(${GATES.lateWriter});
    CREATE TRIGGER witnessed AFTER UPDATE ON keyring_versions FOR EACH ROW
      WHEN (NEW.state = 'retired' AND OLD.state <> 'retired') EXECUTE FUNCTION witness()`);
}, 60_000);
afterAll(async () => {
  await keeper.end();
  await installation.end();
});

async function sql(statement: string): Promise<Record<string, unknown>[]> {
  return asAdmin(installation.databaseUrl, async (client) => {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  });
}

const close = (gate: number) => keeper.query('SELECT pg_advisory_lock($1::bigint)', [gate]);
const open = (gate: number) => keeper.query('SELECT pg_advisory_unlock($1::bigint)', [gate]);

async function untilStoppedAt(gate: number): Promise<void> {
  const stopped = `SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = ${gate} AND NOT granted`;
  await until(async () => (await keeper.query(stopped)).rowCount !== 0);
}

async function untilOldKeysAreRetired(): Promise<void> {
  await asAdmin(installation.databaseUrl, async (client) => {
    await client.query('LISTEN retirement');
    for (;;) {
      // Listened for before the look: one that comes with its answer must not be missed.
      const news = once(client, 'notification');
      const left = await client.query(`SELECT FROM keyring_versions WHERE state = 'retiring'`);
      if (left.rowCount === 0) return;
      await news;
    }
  });
}

type Written = { name: string; version: number; value: string };
const acknowledged: Written[] = [];
let values = 0;

/** Whether there was an answer. */
async function write(name: string): Promise<boolean> {
  values += 1;
  const value = `value ${values}`;
  try {
    const { status, body } = await owner.ask('PUT', `${GROUP}/secrets/${name}`, { value });
    if (status < 300) acknowledged.push({ name, version: secret.parse(body).version, value });
    return true;
  } catch {
    return false;
  }
}

/** Writes until it is enough, or nobody answers any more; each of the writers nearly ten times a second. */
async function writeOn(name: string, enough: AbortSignal): Promise<void> {
  while (!enough.aborted && (await write(name))) await pause(WRITE_EVERY_MS);
}

async function whileWriting(work: () => Promise<unknown>): Promise<void> {
  const enough = new AbortController();
  const writers = SECRETS.map((name) => writeOn(name, enough.signal));
  await work();
  enough.abort();
  await Promise.all(writers);
}

const shown = async () => keyring.parse((await owner.do('GET', `${GROUP}/keyring`)).body);

async function reveal(name: string, version?: number): Promise<Written> {
  const path = `${GROUP}/secrets/${name}/reveal`;
  const revealed = revealedSecret.parse((await owner.do('POST', path, { version })).body);
  return { name: revealed.name, version: revealed.version, value: revealed.value };
}

test.each([
  ['while it stores values that it has sealed anew', GATES.values],
  ['between the values and the delivery keys', GATES.deliveryKeys],
  ['while it retires the old key', GATES.retirement],
])(
  '[F-15] a control plane that is killed %s goes on when it is back, under writes all the time',
  async (_, gate) => {
    const before = (await shown()).versions[0]?.version ?? 0;
    await close(gate);
    await whileWriting(async () => {
      await owner.do('POST', `${GROUP}/keyring/rotate`);
      await untilStoppedAt(gate);
      replica.process.kill('SIGKILL');
      await replica.process.exited;
    });
    await open(gate);
    expect(await sql(`SELECT version FROM keyring_versions WHERE state = 'retiring'`)).toEqual([
      { version: before },
    ]);
    replica = await installation.restart(replica);
    await whileWriting(untilOldKeysAreRetired);
    const { versions, remaining } = await shown();
    expect(remaining).toBe(0);
    expect(versions.slice(0, 2)).toMatchObject([
      { version: before + 1, state: 'active' },
      { version: before, state: 'retired', uses: 0 },
    ]);
  },
  STORY_MS,
);

test('[F-15] a writer who has sealed with the old key and commits late is waited for, and its value sealed anew', async () => {
  await close(GATES.lateWriter);
  const late = owner.do('PUT', `${GROUP}/secrets/late`, { value: 'late' });
  await untilStoppedAt(GATES.lateWriter);
  const rotation = owner.do('POST', `${GROUP}/keyring/rotate`);
  // For the writer's commit, as the writer does for the gate.
  const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database()
    AND wait_event_type = 'Lock' AND wait_event <> 'advisory'`;
  await until(async () => (await keeper.query(waiting)).rowCount !== 0);
  await open(GATES.lateWriter);
  acknowledged.push({
    name: 'late',
    version: secret.parse((await late).body).version,
    value: 'late',
  });
  await rotation;
  await untilOldKeysAreRetired();
}, 60_000);

test(
  '[F-15] after all of it every value opens, under the newest key; no key was retired while anything used it; agents have the newest values',
  async () => {
    const rows = await sql(`SELECT name, v.version FROM secret_versions v
      JOIN secrets ON secrets.id = secret_id ORDER BY name, v.version`);
    const stored: Written[] = [];
    for (const { name, version } of rows) stored.push(await reveal(String(name), Number(version)));
    expect(stored).toEqual(expect.arrayContaining(acknowledged));
    for (const name of [...SECRETS, 'late'])
      await host.untilSecret(name, (await reveal(name)).value);

    const { versions, remaining } = await shown();
    const [newest, ...older] = versions;
    expect(remaining).toBe(0);
    expect(newest?.uses).toBe(stored.length + 1);
    expect(older.every(({ state, uses }) => state === 'retired' && uses === 0)).toBe(true);
    expect(await sql('SELECT version, uses::int FROM retirements ORDER BY 1')).toEqual(
      older.map(({ version }) => ({ version, uses: 0 })).toReversed(),
    );
    // What was sealed anew is no change to what agents receive.
    expect(await sql('SELECT revision FROM groups')).toEqual([{ revision: 1 + stored.length }]);
  },
  STORY_MS,
);

import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { revealedSecret, secret, task } from '@sallyport/contract';
import { asAdmin } from '@sallyport/testkit/database';
import type { TestProcess } from '@sallyport/testkit/process';
import type { Host } from '../fixtures/host.ts';
import { Installation } from '../fixtures/installation.ts';
import { startKillablePostgres, type KillablePostgres } from '../fixtures/killable-postgres.ts';
import type { Answer, Operator } from '../fixtures/operator.ts';

const KILLS = 3;
const SECRETS = ['a', 'b', 'c'];
/** So many acknowledgements in a row, and whoever acts is under way. */
const UNDER_WAY = 3;
/** A task whose lock was cut off comes again after thirty seconds and two repairs. */
const STORY_MS = 180_000;

// What the server started is read from /proc.
const isSupported = process.platform === 'linux';
const onLinux = isSupported ? test : test.skip;

let postgres: KillablePostgres;
let installation: Installation;
let owner: Operator;
let host: Host;
let agent: TestProcess;
/** What set-up has made so far, in that order. */
const made = new AsyncDisposableStack();
beforeAll(async () => {
  if (!isSupported) return;
  postgres = await startKillablePostgres();
  made.adopt(postgres, (server) => server.drop());
  installation = await Installation.create({
    database: { url: postgres.url, drop: async () => {} },
  });
  made.defer(() => installation.end());
  const replica = await installation.startReplica('control-plane');
  owner = await installation.signIn(replica);
  await owner.do('POST', '/groups', { name: 'plant-7' });
  host = await installation.enrolledHost(owner, replica, 'plant-7', 'host');
  agent = await host.run();
  await sql(`CREATE TABLE completions (task_id uuid);
    CREATE FUNCTION count_completion() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN INSERT INTO completions VALUES (NEW.id); NOTIFY completion; RETURN NULL; END $$;
    CREATE TRIGGER counted AFTER UPDATE ON tasks FOR EACH ROW
      WHEN (NEW.state = 'completed') EXECUTE FUNCTION count_completion()`);
}, 60_000);
afterAll(() => made.disposeAsync());

async function sql(statement: string): Promise<Record<string, unknown>[]> {
  return asAdmin(postgres.url, async (client) => {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  });
}

type Written = { name: string; version: number; value: string };
const sentValues = new Set<string>();
const acknowledged: Written[] = [];
const acknowledgedTasks: string[] = [];
const refusals: Answer[] = [];

async function write(name: string): Promise<boolean> {
  const value = `value ${sentValues.size}`;
  sentValues.add(value);
  const answer = await owner.ask('PUT', `/groups/plant-7/secrets/${name}`, { value });
  if (answer.status >= 300) return refused(answer);
  acknowledged.push({ name, version: secret.parse(answer.body).version, value });
  return true;
}

async function createTask(): Promise<boolean> {
  const answer = await owner.ask('POST', `/agents/${host.agentId}/tasks`, { kind: 'diagnose' });
  if (answer.status >= 300) return refused(answer);
  acknowledgedTasks.push(task.parse(answer.body).id);
  return true;
}

function refused(answer: Answer): false {
  refusals.push(answer);
  return false;
}

/** Everything that goes on at the same time: two writers for each secret, and one who gives tasks. */
const acts = [...SECRETS, ...SECRETS].map((name) => () => write(name)).concat(createTask);

async function untilUnderWay(act: () => Promise<boolean>): Promise<void> {
  for (let inARow = 0; inARow < UNDER_WAY;) inARow = (await act()) ? inARow + 1 : 0;
}

async function untilRefused(act: () => Promise<boolean>, enough: AbortSignal): Promise<void> {
  while (!enough.aborted && (await act()));
}

async function reveal(name: string, version?: number): Promise<Written> {
  const path = `/groups/plant-7/secrets/${name}/reveal`;
  const shown = revealedSecret.parse((await owner.do('POST', path, { version })).body);
  return { name: shown.name, version: shown.version, value: shown.value };
}

async function untilEveryTaskIsCompleted(): Promise<void> {
  await asAdmin(postgres.url, async (client) => {
    await client.query('LISTEN completion');
    const open = `SELECT FROM tasks WHERE state <> 'completed'`;
    for (;;) {
      // Listened for before the look: one that comes with its answer must not be missed.
      const news = once(client, 'notification');
      if ((await client.query(open)).rowCount === 0) return;
      await news;
    }
  });
}

const sorted = (names: unknown[]) => names.map(String).toSorted();

onLinux(
  '[F-13] with every process of Postgres killed amid writes, what was acknowledged is there, what was cut off is there as a whole or not at all, and each task is done once',
  async () => {
    for (let kill = 1; kill <= KILLS; kill += 1) {
      await Promise.all(acts.map(untilUnderWay));
      const back = new AbortController();
      const cutOff = acts.map((act) => untilRefused(act, back.signal));
      await postgres.kill();
      back.abort();
      await Promise.all(cutOff);
    }
    await Promise.all(acts.map(untilUnderWay));
    expect(refusals.length).toBeGreaterThanOrEqual(KILLS);
    for (const { status, body } of refusals)
      expect({ status, body }).toMatchObject({ status: 503, body: { code: 'server.unavailable' } });

    const versions = await sql(`SELECT name, v.version FROM secret_versions v
      JOIN secrets ON secrets.id = secret_id ORDER BY name, version`);
    const stored: Written[] = [];
    for (const { name, version } of versions)
      stored.push(await reveal(String(name), Number(version)));
    expect(stored).toEqual(expect.arrayContaining(acknowledged));
    const values = stored.map(({ value }) => value);
    expect(new Set(values).size).toBe(values.length);
    expect([...sentValues]).toEqual(expect.arrayContaining(values));

    const events = await sql(`SELECT details->'revision' AS revision,
        concat(substr(subject, 8), ' ', details->'version') AS written
      FROM audit_events WHERE action = 'secret:write' ORDER BY 1`);
    const written = stored.map(({ name, version }) => `${name} ${version}`);
    expect(sorted(events.map((event) => event['written']))).toEqual(sorted(written));
    const [group] = await sql('SELECT revision FROM groups');
    expect(group).toEqual({ revision: 1 + stored.length });
    expect(events.map(({ revision }) => revision)).toEqual(stored.map((_, index) => index + 2));

    for (const name of SECRETS) await host.untilSecret(name, (await reveal(name)).value);
    await untilEveryTaskIsCompleted();
    const tasks = sorted((await sql('SELECT id FROM tasks')).map(({ id }) => id));
    expect(tasks).toEqual(expect.arrayContaining(acknowledgedTasks));
    const created = `SELECT substr(subject, 6) AS id FROM audit_events WHERE action = 'task:create'`;
    expect(sorted((await sql(created)).map(({ id }) => id))).toEqual(tasks);
    const completions = await sql('SELECT task_id FROM completions');
    expect(sorted(completions.map((completion) => completion['task_id']))).toEqual(tasks);
    expect(() => process.kill(agent.pid, 0)).not.toThrow();
  },
  STORY_MS,
);

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { until } from '@sallyport/testkit/until';
import { Installation, type Replica } from '../fixtures/installation.ts';
import type { Operator } from '../fixtures/operator.ts';

const SECRET = '/groups/plant-7/secrets/db';
const LEADS = /this replica continues the audit chain/;
/** The other replicas look every second. */
const TAKEN_OVER_MS = 8_000;

let installation: Installation;
let replicas: Replica[];
beforeAll(async () => {
  installation = await Installation.create();
  replicas = [await installation.startReplica('first'), await installation.startReplica('second')];
  const owner = await installation.signIn(replicaAt(0));
  await owner.do('POST', '/groups', { name: 'plant-7' });
  await owner.do('PUT', SECRET, { value: 'value' });
});
afterAll(() => installation.end());

function replicaAt(index: number): Replica {
  const replica = replicas[index];
  if (replica === undefined) throw new Error('there is no such replica');
  return replica;
}

const leads = ({ process }: Replica) => LEADS.test(process.output());

async function count(): Promise<{ events: number; links: number; last: number; left: number }> {
  return asAdmin(installation.databaseUrl, async (client) => {
    const { rows } = await client.query<{
      events: number;
      links: number;
      last: number;
      left: number;
    }>(
      `SELECT (SELECT count(*)::int FROM audit_events) AS events,
              (SELECT count(*)::int FROM audit_events e WHERE NOT EXISTS (
                 SELECT FROM audit_links l WHERE l.event_seq = e.seq)) AS left,
              count(*)::int AS links, max(position)::int AS last FROM audit_links`,
    );
    const [row] = rows;
    if (row === undefined) throw new Error('the audit cannot be counted');
    return row;
  });
}

/** Reveals again and again until told to stop; resolves with how many succeeded. */
function revealing(operator: Operator) {
  let stopped = false;
  const run = async () => {
    let done = 0;
    while (!stopped) {
      const { status } = await operator
        .ask('POST', `${SECRET}/reveal`, {})
        .catch(() => ({ status: 0 }));
      if (status === 200) done += 1;
    }
    return done;
  };
  const running = run();
  return { stop: () => ((stopped = true), running) };
}

test('[F-19] [A7-17] of two replicas one continues the chain; when that is killed, the other does within seconds, without gap or double', async () => {
  expect(replicas.filter(leads)).toHaveLength(1);
  const leader = replicas.find(leads) ?? replicaAt(0);
  const other = replicaAt(replicas.indexOf(leader) === 0 ? 1 : 0);
  const [atLeader, atOther] = [await installation.signIn(leader), await installation.signIn(other)];
  const workers = [atLeader, atOther, atOther].map(revealing);
  const before = (await count()).last;
  await until(async () => (await count()).last >= before + 20);

  leader.process.kill('SIGKILL');
  const killedAt = performance.now();
  await leader.process.exited;
  await other.process.waitForLine(LEADS);
  const { last } = await count();
  await until(async () => (await count()).last > last);
  expect(performance.now() - killedAt).toBeLessThan(TAKEN_OVER_MS);

  const revealed = (await Promise.all(workers.map((worker) => worker.stop()))).reduce(
    (a, b) => a + b,
  );
  let state = await count();
  while (state.left > 0) state = await count();
  expect(state).toEqual({ events: state.events, links: state.events, last: state.events, left: 0 });
  expect(state.events).toBeGreaterThanOrEqual(revealed);
  const verified = await atOther.do('GET', '/audit/verify');
  expect(verified.body).toMatchObject({ intact: true, base: 0 });
}, 60_000);

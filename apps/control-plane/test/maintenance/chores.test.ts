import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { selfSigned } from '@sallyport/tls/test/issuer';
import { openQueueBackend, type QueueBackend } from '../../src/platform/queue-backend.ts';
import { placeAll, sql } from '../audit/chain.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { field, OperatorClient } from '../operator-client.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const PERIOD_MS = 1_000;
const viewer = { role: 'viewer', group: null };
/** The database's own clock has its say in what is old, so that this is really now. */
const NOW = Date.now();
const LONG_AGO = NOW - 200 * DAY_MS;

let controlPlane: TestControlPlane;
let workers: TestControlPlane[];
let backend: QueueBackend;
/** The chores that were still to be done when the workers started. */
const toDo: string[] = [];
/** What was made for the chores to find. */
let ids: Record<'token' | 'abandoned' | 'agent' | 'task', string>;
beforeAll(async () => {
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER, startMs: LONG_AGO });
  const { clock, databaseUrl, rootKey, platform } = controlPlane;
  let owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  const make = async (path: string, body: object) =>
    field((await owner.call('POST', path, body)).body, 'id');
  const lost = await agentIn(owner, 'old', controlPlane);
  const token = await make('/groups/old/enrollment-tokens', {});
  const abandoned = await make(`/agents/${lost.id}/tasks`, { kind: 'diagnose' });
  await placeAll(controlPlane);
  await owner.call('POST', '/audit/checkpoints');

  clock.set(NOW);
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  const { id: agent } = await agentIn(owner, 'new', controlPlane);
  const task = await make(`/agents/${agent}/tasks`, { kind: 'diagnose' });
  await make('/api-keys', { name: 'ending', roles: [viewer], expiresInDays: 10 });
  const ending = await selfSigned({ notAfter: new Date(NOW + 5 * DAY_MS) });
  const { chain, key } = ending;
  await owner.call('PUT', '/groups/new/certificates/ending', { chain, key });
  await owner.call('POST', '/groups/new/keyring/rotate');
  await placeAll(controlPlane);
  ids = { token, abandoned, agent, task };

  backend = await openQueueBackend({ database: { connectionString: databaseUrl } }, platform.log);
  await (await open(`agent-${agent}`)).remove(task);
  for (const [name, isDone] of Object.values(chores).flatMap((of) => Object.entries(of)))
    if (!(await isDone())) toDo.push(name);
  const audit = { checkpointSeconds: PERIOD_MS / 1_000, retentionDays: 90 };
  const worker = () =>
    startControlPlane({ databaseUrl, rootKey, startMs: NOW, settings: { audit } });
  workers = [await worker(), await worker()];
  // Until then nobody is lost: agents could not be heard before.
  for (const { clock: started } of workers) started.advance(3 * 60_000);
}, 60_000);
afterAll(async () => {
  for (const worker of workers) await worker.end();
  await backend.close();
  await controlPlane.end();
});

const open = async (queue: string) => (await backend.queues({}))(queue);

async function holds(condition: string): Promise<boolean> {
  const [row] = await sql<{ holds: boolean }>(
    controlPlane.databaseUrl,
    `SELECT (${condition}) AS holds`,
  );
  return row?.holds === true;
}

const event =
  (action: string, subject = '%') =>
  () =>
    holds(`EXISTS (SELECT FROM audit_events WHERE action = '${action}' AND actor_kind = 'system'
    AND subject LIKE '${subject}')`);

/** Every chore by its queue, and what is so once it was done. */
const chores: Record<string, Record<string, () => Promise<boolean>>> = {
  maintenance: {
    'forget-expired': () =>
      holds(`NOT EXISTS (SELECT FROM enrollment_tokens WHERE id = '${ids.token}')`),
    'mark-lost': event('agent:lose'),
    'repair-tasks': async () =>
      (await (await open(`agent-${ids.agent}`)).getJob(ids.task)) !== undefined,
    'end-abandoned-tasks': () =>
      holds(`EXISTS (SELECT FROM tasks WHERE id = '${ids.abandoned}' AND state = 'dead')`),
    'warn-of-expiry': event('api-key:expiring'),
    'warn-of-certificate-expiry': event('certificate:expiring'),
    'rotate-keyrings': event('keyring:rotate', 'group:old'),
  },
  audit: {
    'sign-audit': () =>
      holds(
        `EXISTS (SELECT FROM audit_checkpoints WHERE created_at >= '${new Date(NOW).toISOString()}')`,
      ),
    'purge-audit': event('audit:purge'),
  },
  keyrings: { rewrap: event('keyring:retire', 'group:new') },
};

describe.each(Object.entries(chores))('the queue %s', (queue, done) => {
  test('has these chores and no other, each once however many replicas there are', async () => {
    const scheduled = await (await open(queue)).getJobSchedulers();
    expect(scheduled.map(({ name }) => name).toSorted()).toEqual(Object.keys(done).toSorted());
  });

  test.each(Object.entries(done))(
    'does %s',
    async (name, isDone) => {
      expect(toDo).toContain(name);
      while (!(await isDone()));
    },
    20_000,
  );
});

test('of two replicas one does a chore, once in each period', async () => {
  const slots = async () =>
    (
      await sql<{ slot: string }>(
        controlPlane.databaseUrl,
        `SELECT split_part(data->>'jobId', ':', 3) AS slot FROM bullmq.event
          WHERE queue = 'audit' AND event = 'completed' AND data->>'jobId' LIKE 'repeat:sign-audit:%' ORDER BY id`,
      )
    ).map(({ slot }) => Number(slot));
  let done = await slots();
  while (done.length < 4) done = await slots();
  const apart = done.slice(1).map((slot, at) => slot - (done[at] ?? 0));
  expect(apart.filter((ms) => ms < PERIOD_MS)).toEqual([]);
}, 20_000);

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { queueLegs } from '@sallyport/testkit/redis';
import { defaultTlsPolicy } from '@sallyport/tls/policy';
import { markLostAgents } from '../../src/maintenance/maintenance.ts';
import { openQueueBackend, type QueueBackend } from '../../src/platform/queue-backend.ts';
import { AgentTasks } from '../../src/tasks/index.ts';
import { AgentClient } from '../agent-client.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { DIAGNOSIS } from '../diagnosis.ts';
import { agentIn } from '../group-agents.ts';
import { field, OperatorClient } from '../operator-client.ts';

const ATTEMPTS = 3;
/** The first pause is a second, the second two; a queue's clock may round. */
const FIRST_PAUSE_MS = 900;
const SECOND_PAUSE_MS = 1_900;
/** How many tasks one repair looks after, and more than anything reads at once. */
const AT_ONCE = 1_000;
const MANY = 10_001;

/** A report that a task is done. */
const doneWith = (lock: string) => ({ lock, result: DIAGNOSIS });

describe.each(queueLegs())('with the queue on $name', (leg) => {
  let controlPlane: TestControlPlane;
  let second: TestControlPlane;
  let owner: OperatorClient;
  let agent: AgentClient;
  let backend: QueueBackend;
  beforeAll(async () => {
    controlPlane = await startControlPlane({ leg });
    const { databaseUrl, rootKey, platform } = controlPlane;
    const { redisUrl, prefix } = leg;
    const redis = redisUrl === undefined ? undefined : { url: redisUrl, tls: defaultTlsPolicy };
    const database = { connectionString: databaseUrl };
    backend = await openQueueBackend({ database, redis, prefix }, platform.log);
    second = await startControlPlane({ leg, databaseUrl, rootKey });
    owner = await OperatorClient.signedIn(controlPlane.operatorApp);
    await owner.call('POST', '/groups', { name: 'plant-7' });
    const created = await owner.call('POST', '/groups/plant-7/enrollment-tokens', {});
    agent = await AgentClient.create(controlPlane.agentApp, controlPlane.clock);
    await agent.enroll(field(created.body, 'token'));
    await agent.openSession();
    await agent.pull();
  });
  afterAll(async () => {
    await backend.close();
    await second.end();
    await controlPlane.end();
  });

  async function createTask(): Promise<string> {
    const created = await owner.call('POST', `/agents/${agent.id}/tasks`, { kind: 'diagnose' });
    return field(created.body, 'id');
  }

  async function shownTask(id: string): Promise<unknown> {
    return (await owner.call('GET', `/agents/${agent.id}/tasks/${id}`)).body;
  }

  async function sql(statement: string, values: unknown[] = []): Promise<void> {
    await asAdmin(controlPlane.databaseUrl, (client) => client.query(statement, values));
  }

  /** The agent says nothing more of the task: its lock ends, and the queue has the task back. */
  async function fallSilent({ id, lock }: { id: string; lock: string }): Promise<void> {
    const open = await backend.queues({ maxStalledCount: ATTEMPTS, stalledInterval: 1 });
    const queue = open(`agent-${agent.id}`);
    await queue.getBackend().extendLock(id, lock, 1);
    while ((await queue.getJobState(id)) === 'active')
      await queue.getBackend().moveStalledJobsToWait();
  }

  /** What the audit tells of a task since it was given. */
  async function acts(id: string): Promise<unknown[]> {
    return asAdmin(controlPlane.databaseUrl, async (client) => {
      const { rows } = await client.query<Record<string, unknown>>(
        `SELECT e.action, actor_kind AS who, g.name AS group, details->'after'->>'state' AS state,
                details->>'count' AS attempts
           FROM audit_events e JOIN groups g ON g.id = group_id
          WHERE subject = $1 AND e.action <> 'task:create' ORDER BY seq`,
        [`task:${id}`],
      );
      return rows;
    });
  }

  async function nextTask() {
    for (;;) {
      const [task] = (await agent.pull(30, 1))?.tasks ?? [];
      if (task !== undefined) return task;
    }
  }

  test('[SG-03] a task that fails comes again after a pause that grows, and is dead after its last attempt, each in the audit', async () => {
    const created = await owner.call('POST', `/agents/${agent.id}/tasks`, { kind: 'diagnose' });
    const path = `/agents/${agent.id}/tasks/${field(created.body, 'id')}`;
    const pauses: number[] = [];
    let failedAt = performance.now();
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const task = await nextTask();
      pauses.push(performance.now() - failedAt);
      expect(task.attempt).toBe(attempt);
      expect((await owner.call('GET', path)).body).toMatchObject({
        state: 'claimed',
        attempts: attempt,
      });
      const failed = { lock: task.lock, error: 'diagnose.failed' };
      expect((await agent.call('POST', `/tasks/${task.id}/fail`, failed)).status).toBe(204);
      failedAt = performance.now();
      const state = attempt === ATTEMPTS ? 'dead' : 'queued';
      expect((await owner.call('GET', path)).body).toMatchObject({
        state,
        error: 'diagnose.failed',
      });
      expect((await agent.call('POST', `/tasks/${task.id}/fail`, failed)).body).toMatchObject({
        code: 'task.lock_lost',
      });
    }
    expect(pauses[1]).toBeGreaterThan(FIRST_PAUSE_MS);
    expect(pauses[2]).toBeGreaterThan(SECOND_PAUSE_MS);
    expect((await agent.pull(0, 1))?.tasks ?? []).toEqual([]);
    const failed = { action: 'task:fail', who: 'agent', group: 'plant-7' };
    expect(await acts(field(created.body, 'id'))).toEqual([
      { ...failed, state: 'queued', attempts: '1' },
      { ...failed, state: 'queued', attempts: '2' },
      { ...failed, state: 'dead', attempts: '3' },
    ]);
  });

  test('an agent that takes a task and falls silent uses up its attempts; then it is dead, and the next comes', async () => {
    const poison = await createTask();
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const task = await nextTask();
      expect(task).toMatchObject({ id: poison, attempt });
      expect(await shownTask(poison)).toMatchObject({ state: 'claimed', attempts: attempt });
      await fallSilent(task);
    }
    const next = await createTask();
    const task = await nextTask();
    expect(task).toMatchObject({ id: next, attempt: 1 });
    // What stalled is first again on Redis, and last on Postgres.
    expect((await agent.pull(0, 1))?.tasks ?? []).toEqual([]);
    expect(await shownTask(poison)).toMatchObject({
      state: 'dead',
      attempts: ATTEMPTS,
      error: expect.stringMatching(/took this task 3 times and never told how it went/),
    });
    const abandoned = { action: 'task:abandon', who: 'system', group: 'plant-7', state: 'dead' };
    expect(await acts(poison)).toEqual([{ ...abandoned, attempts: '3' }]);
    const lost = { lock: task.lock, error: 'of no interest' };
    expect((await agent.call('POST', `/tasks/${poison}/fail`, lost)).body).toMatchObject({
      code: 'task.lock_lost',
    });
    expect((await agent.call('POST', `/tasks/${next}/complete`, doneWith(task.lock))).status).toBe(
      204,
    );
    const completed = { action: 'task:complete', who: 'agent', group: 'plant-7' };
    expect(await acts(next)).toEqual([{ ...completed, state: 'completed', attempts: '1' }]);
  });

  test('a failure that could not be recorded can be told again', async () => {
    await sql(`ALTER TABLE tasks ADD CONSTRAINT refusal CHECK (error <> 'refused') NOT VALID`);
    const id = await createTask();
    const { lock } = await nextTask();
    const failed = { lock, error: 'refused' };
    expect((await agent.call('POST', `/tasks/${id}/fail`, failed)).status).toBe(500);
    await sql('ALTER TABLE tasks DROP CONSTRAINT refusal');
    expect(await shownTask(id)).toMatchObject({ state: 'claimed', error: null });
    expect((await agent.call('POST', `/tasks/${id}/fail`, failed)).status).toBe(204);
    expect(await shownTask(id)).toMatchObject({ state: 'queued', error: 'refused' });
    const again = await nextTask();
    expect(again).toMatchObject({ id, attempt: 2 });
    await agent.call('POST', `/tasks/${id}/complete`, doneWith(again.lock));
  });

  test('a task that has ended stays as it ended, whatever an agent that still holds it says', async () => {
    const completed = await createTask();
    const { lock } = await nextTask();
    await sql(`UPDATE tasks SET state = 'completed' WHERE id = $1`, [completed]);
    const failed = { lock, error: 'too late' };
    expect((await agent.call('POST', `/tasks/${completed}/fail`, failed)).status).toBe(204);
    expect(await shownTask(completed)).toMatchObject({ state: 'completed', error: null });
    expect(await acts(completed)).toEqual([]);

    const dead = await createTask();
    const held = await nextTask();
    await sql(`UPDATE tasks SET state = 'dead', error = 'given up' WHERE id = $1`, [dead]);
    const done = doneWith(held.lock);
    expect((await agent.call('POST', `/tasks/${dead}/complete`, done)).status).toBe(204);
    expect(await shownTask(dead)).toMatchObject({ state: 'dead', error: 'given up', result: null });
    expect(await acts(dead)).toEqual([]);
  });

  test('a task that the queue has given up, and the record has not, is repaired and comes again', async () => {
    const id = await createTask();
    await sql('UPDATE tasks SET attempts = $2 WHERE id = $1', [id, ATTEMPTS - 1]);
    const { lock } = await nextTask();
    await agent.call('POST', `/tasks/${id}/fail`, { lock, error: 'diagnose.failed' });
    expect(await shownTask(id)).toMatchObject({ state: 'dead' });
    // As a database that was restored from a backup has it.
    await sql(`UPDATE tasks SET state = 'claimed', attempts = 1 WHERE id = $1`, [id]);
    await (await AgentTasks.open(controlPlane.platform, backend)).repair();
    const again = await nextTask();
    expect(again).toMatchObject({ id, attempt: 2 });
    await agent.call('POST', `/tasks/${id}/complete`, doneWith(again.lock));
    expect(await shownTask(id)).toMatchObject({ state: 'completed', attempts: 2, error: null });
  });

  test('a task that nobody finished for a week is dead, and off the queue; a younger one waits on', async () => {
    const [old, young] = [await createTask(), await createTask()];
    const age = (id: string, days: number) =>
      sql(`UPDATE tasks SET created_at = created_at - $2 * interval '1 day' WHERE id = $1`, [
        id,
        days,
      ]);
    await age(old, 7.1);
    await age(young, 6.9);
    await (await AgentTasks.open(controlPlane.platform, backend)).endAbandoned();
    expect(await shownTask(old)).toMatchObject({
      state: 'dead',
      attempts: 0,
      error: expect.stringMatching(/did not finish this task in 7 days; see that it runs/),
    });
    expect(await shownTask(young)).toMatchObject({ state: 'queued', error: null });
    const abandoned = { action: 'task:abandon', who: 'system', group: 'plant-7' };
    expect(await acts(old)).toEqual([{ ...abandoned, state: 'dead', attempts: null }]);
    expect(await acts(young)).toEqual([]);
    const queue = (await backend.queues({}))(`agent-${agent.id}`);
    expect(await queue.getJob(old)).toBeUndefined();
    const { id, lock } = await nextTask();
    expect(id).toBe(young);
    await agent.call('POST', `/tasks/${id}/complete`, doneWith(lock));
  });

  test('however many tasks another agent has, each of the others is noticed, and repaired in its turn', async () => {
    const busy = await agentIn(owner, 'plant-7', controlPlane);
    const flood = `INSERT INTO tasks (id, agent_id, kind, state, created_by, created_at)
      SELECT lpad(n::text, 32, '0')::uuid, $1, 'diagnose', 'queued', 'owner', now() FROM generate_series(1, $2::int) n`;
    await sql(flood, [busy.id, MANY]);
    const id = await createTask();
    const tasks = await AgentTasks.open(controlPlane.platform, backend);
    expect(await tasks.reload()).toEqual(expect.arrayContaining([busy.id, agent.id]));

    await sql('DELETE FROM tasks WHERE agent_id = $1', [busy.id]);
    await sql(flood, [busy.id, AT_ONCE]);
    const queue = (await backend.queues({}))(`agent-${agent.id}`);
    await queue.remove(id);
    await tasks.repair();
    await tasks.repair();
    expect(await queue.getJobState(id)).toBe('waiting');
    await sql('DELETE FROM tasks WHERE agent_id = $1', [busy.id]);
    const { lock } = await nextTask();
    await agent.call('POST', `/tasks/${id}/complete`, doneWith(lock));
  });

  test('an agent that fell silent is lost once, whichever replicas look for it at the same time', async () => {
    const replicas = [controlPlane, second];
    for (const { clock } of replicas) clock.advance(60 * 60_000);
    await Promise.all(replicas.map(({ platform }) => markLostAgents(platform)));
    const { rows } = await asAdmin(controlPlane.databaseUrl, (client) =>
      client.query(`SELECT action FROM audit_events WHERE subject = $1 AND action = 'agent:lose'`, [
        `agent:${agent.id}`,
      ]),
    );
    expect(rows).toEqual([{ action: 'agent:lose' }]);
  });
});

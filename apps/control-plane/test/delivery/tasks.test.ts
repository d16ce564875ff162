import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { queueLegs } from '@sallyport/testkit/redis';
import { markLostAgents } from '../../src/maintenance/maintenance.ts';
import { AgentClient } from '../agent-client.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { field, OperatorClient } from '../operator-client.ts';

const ATTEMPTS = 3;
/** The first pause is a second, the second two; a queue's clock may round. */
const FIRST_PAUSE_MS = 900;
const SECOND_PAUSE_MS = 1_900;

describe.each(queueLegs())('with the queue on $name', (leg) => {
  let controlPlane: TestControlPlane;
  let second: TestControlPlane;
  let owner: OperatorClient;
  let agent: AgentClient;
  beforeAll(async () => {
    controlPlane = await startControlPlane({ leg });
    const { databaseUrl, rootKey } = controlPlane;
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
    await second.end();
    await controlPlane.end();
  });

  async function nextTask() {
    for (;;) {
      const [task] = (await agent.pull(30, 1))?.tasks ?? [];
      if (task !== undefined) return task;
    }
  }

  test('a task that fails comes again after a pause that grows, and is dead after its last attempt', async () => {
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
  });

  test('an agent that fell silent is lost once, whichever replicas look for it at the same time', async () => {
    const replicas = [controlPlane, second];
    for (const { clock } of replicas) clock.advance(60 * 60_000);
    await Promise.all(replicas.map(({ platform }) => markLostAgents(platform)));
    const { rows } = await asAdmin(controlPlane.databaseUrl, (client) =>
      client.query(`SELECT subject FROM audit_events WHERE action = 'agent:lose'`),
    );
    expect(rows).toEqual([{ subject: `agent:${agent.id}` }]);
  });
});

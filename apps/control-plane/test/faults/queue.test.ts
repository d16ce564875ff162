import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { queueLegs } from '@sallyport/testkit/redis';
import { startTcpGate, type TcpGate } from '@sallyport/testkit/tcp-gate';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { DIAGNOSIS } from '../diagnosis.ts';
import { agentIn } from '../group-agents.ts';
import { lockWaits, whileHeld } from '../lock-waits.ts';
import { field, OperatorClient, type Reply } from '../operator-client.ts';
import { emptyRedis } from '../redis-contents.ts';

const redisLegs = queueLegs().filter(({ name }) => name === 'redis');

(redisLegs.length === 0 ? describe.skip : describe)('[F-21] a Redis that is lost', () => {
  let gate: TcpGate;
  let controlPlane: TestControlPlane;
  let owner: OperatorClient;
  const { redisUrl = '', prefix = '' } = redisLegs[0] ?? {};
  beforeAll(async () => {
    const url = new URL(redisUrl);
    gate = await startTcpGate({ host: url.hostname, port: Number(url.port) });
    url.port = String(gate.port);
    controlPlane = await startControlPlane({
      leg: { name: 'redis', prefix, redisUrl: url.href },
    });
    owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  });
  afterAll(async () => {
    gate.restore();
    await controlPlane.end();
    await gate.close();
  });

  test.each(['cut', 'freeze'] as const)(
    'holds up neither a secret nor an operator (%s), and the task comes when it is back',
    async (loss) => {
      const agent = await agentIn(owner, loss, controlPlane);
      await agent.pull();
      gate[loss]();
      const created = await owner.call('POST', `/agents/${agent.id}/tasks`, { kind: 'diagnose' });
      expect(created).toMatchObject({ status: 201, body: { state: 'queued' } });
      await owner.call('PUT', `/groups/${loss}/secrets/a`, { value: `written while ${loss}` });
      const pulled = await agent.pull(10, 1);
      expect(await agent.open(pulled)).toEqual({ a: `written while ${loss}` });
      expect(pulled?.tasks).toEqual([]);

      gate.restore();
      let task = (await agent.pull(10, 1))?.tasks[0];
      while (task === undefined) task = (await agent.pull(10, 1))?.tasks[0];
      expect(task.id).toBe(field(created.body, 'id'));
    },
    90_000,
  );

  test.each([
    ['complete', { result: DIAGNOSIS }],
    ['fail', { error: 'the disk is full' }],
  ])(
    'and falls silent while an agent says how a task went (%s) is given up in words, for the agent to say it again',
    async (verb, body) => {
      const agent = await agentIn(owner, verb, controlPlane);
      await agent.pull();
      const created = await owner.call('POST', `/agents/${agent.id}/tasks`, { kind: 'diagnose' });
      const task = (await agent.pull(10, 1))?.tasks[0];
      const said = { lock: task?.lock, ...body };
      let answer: Promise<Reply> | undefined;
      const row = `SELECT FROM tasks WHERE id = '${field(created.body, 'id')}' FOR UPDATE`;
      await whileHeld(controlPlane.databaseUrl, row, async () => {
        answer = agent.call('POST', `/tasks/${task?.id}/${verb}`, said);
        await lockWaits(controlPlane.databaseUrl);
        gate.freeze();
      });
      const given = await answer;
      gate.restore();
      expect(given).toMatchObject({
        status: 503,
        body: { code: 'server.unavailable', detail: expect.stringContaining('The task queue') },
      });
      expect(await agent.call('POST', `/tasks/${task?.id}/${verb}`, said)).toMatchObject({
        status: 204,
      });
    },
    30_000,
  );

  test('that comes back empty has the chores done again, and the task comes', async () => {
    const agent = await agentIn(owner, 'emptied', controlPlane);
    await agent.pull();
    const created = await owner.call('POST', `/agents/${agent.id}/tasks`, { kind: 'diagnose' });
    gate.cut();
    await emptyRedis(redisUrl, prefix);
    gate.restore();
    let task = (await agent.pull(10, 1))?.tasks[0];
    while (task === undefined) task = (await agent.pull(10, 1))?.tasks[0];
    expect(task.id).toBe(field(created.body, 'id'));
  }, 60_000);
});

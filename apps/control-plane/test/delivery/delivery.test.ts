import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { queueLegs } from '@sallyport/testkit/redis';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { DIAGNOSIS } from '../diagnosis.ts';
import { agentIn } from '../group-agents.ts';
import { field, OperatorClient } from '../operator-client.ts';

describe.each(queueLegs())('delivery with the queue on $name', (leg) => {
  let controlPlane: TestControlPlane;
  let second: TestControlPlane;
  let owner: OperatorClient;

  beforeAll(async () => {
    controlPlane = await startControlPlane({ leg });
    const { databaseUrl, rootKey } = controlPlane;
    second = await startControlPlane({ leg, databaseUrl, rootKey });
    owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  });
  afterAll(async () => {
    await second.end();
    await controlPlane.end();
  });

  const agentOf = (group: string, replica = controlPlane) => agentIn(owner, group, replica);
  const put = (group: string, name: string, value: string) =>
    owner.call('PUT', `/groups/${group}/secrets/${encodeURIComponent(name)}`, { value });

  test('[SG-01] a secret that an operator writes reaches the agent as it was written', async () => {
    const agent = await agentOf('plant-1');
    await put('plant-1', 'db/password', 'first value');
    expect(await agent.open(await agent.pull())).toEqual({ 'db/password': 'first value' });
    expect(await agent.pull()).toBeUndefined();
  });

  test('[SG-11] an agent that waits on one replica learns at once of a change made through the other', async () => {
    const agent = await agentOf('plant-2', second);
    await agent.pull();
    const waiting = agent.pull(30);
    await put('plant-2', 'api-key', 'changed');
    const pulled = await waiting;
    expect(await agent.open(pulled)).toEqual({ 'api-key': 'changed' });
  });

  test('[F-11] revoking an agent answers its waiting pull, on another replica too, and delivers nothing more', async () => {
    const agent = await agentOf('plant-3', second);
    await agent.pull();
    const waiting = agent.pullRaw(30);
    expect((await owner.call('POST', `/agents/${agent.id}/revoke`)).status).toBe(200);
    expect(await waiting).toMatchObject({ status: 401, body: { code: 'agent.revoked' } });
    await put('plant-3', 'later', 'not for the revoked');
    expect(await agent.pullRaw()).toMatchObject({ status: 401, body: { code: 'agent.revoked' } });
    expect(await agent.openSession()).toMatchObject({
      status: 401,
      body: { code: 'agent.revoked' },
    });
  });

  test('[AT-03] an agent gets its own group’s secrets and none of another group', async () => {
    const inA = await agentOf('tenant-a');
    const inB = await agentOf('tenant-b');
    await put('tenant-a', 'a', 'value of a');
    await put('tenant-b', 'b', 'value of b');
    const ofA = await inA.pull();
    expect(await inA.open(ofA)).toEqual({ a: 'value of a' });
    expect(await inB.open(await inB.pull())).toEqual({ b: 'value of b' });
    await expect(inB.open(ofA)).rejects.toMatchObject({ code: 'bundle.unreadable' });
  });

  test('a task is claimed, extended, completed, and its result shown to operators', async () => {
    const agent = await agentOf('plant-4');
    await agent.pull();
    const waiting = agent.pull(30, 4);
    const created = await owner.call('POST', `/agents/${agent.id}/tasks`, { kind: 'diagnose' });
    const [task] = (await waiting)?.tasks ?? [];
    expect(task).toMatchObject({ id: field(created.body, 'id'), kind: 'diagnose', attempt: 1 });
    const lock = task?.lock ?? '';
    expect((await agent.call('POST', `/tasks/${task?.id}/extend`, { lock })).status).toBe(204);
    expect(
      await agent.call('POST', `/tasks/${task?.id}/extend`, { lock: 'another' }),
    ).toMatchObject({ status: 409, body: { code: 'task.lock_lost' } });
    expect(
      await agent.call('POST', `/tasks/${task?.id}/complete`, { lock: 'x', result: DIAGNOSIS }),
    ).toMatchObject({ status: 409, body: { code: 'task.lock_lost' } });
    expect(await owner.call('GET', `/agents/${agent.id}/tasks/${task?.id}`)).toMatchObject({
      body: { state: 'claimed', result: null },
    });
    expect(
      (await agent.call('POST', `/tasks/${task?.id}/complete`, { lock, result: DIAGNOSIS })).status,
    ).toBe(204);
    expect(await owner.call('GET', `/agents/${agent.id}/tasks/${task?.id}`)).toMatchObject({
      body: { state: 'completed', result: DIAGNOSIS },
    });
    expect((await agent.pull(0, 4))?.tasks ?? []).toEqual([]);
  });
});

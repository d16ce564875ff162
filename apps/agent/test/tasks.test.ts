import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { completeTaskBody } from '@sallyport/contract';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { Refusal } from './double/authority.ts';
import { enrollWith, startDaemon, until, type Enrolled, type TestDaemon } from './harness.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let daemon: TestDaemon;

beforeEach(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 'canary-value');
  enrolled = await enrollWith(double);
  daemon = await startDaemon(enrolled);
  await until(
    () => double.lastPull()?.revision === double.group.revision && double.waitingPulls === 1,
  );
});

afterEach(async () => {
  await daemon.stop();
  await double.stop();
  await enrolled.home.remove();
});

describe('a diagnose task', () => {
  test('is answered with what the agent is, under its lock and without names or values', async () => {
    const task = double.giveTask(enrolled.identity.agentId);
    const [done] = await until(() =>
      nonEmpty(double.requestsTo(`/agent/v1/tasks/${task.id}/complete`)),
    );
    const { lock, result } = completeTaskBody.parse(JSON.parse(done?.body ?? ''));
    expect(lock).toBe(task.lock);
    expect(result).toMatchObject({
      facts: { platform: process.platform, architecture: process.arch },
      tls: { protocol: 'TLSv1.3' },
      cache: { revision: double.group.revision, epoch: 1, entries: 1 },
      disk: { durableRevision: double.group.revision, quarantined: 0 },
    });
    expect(Math.abs(result.clockOffsetMilliseconds ?? Infinity)).toBeLessThan(2000);
    expect(result.disk.freeBytes).toBeGreaterThan(0);
    expect(done?.body).not.toMatch(/canary-value|db\/password/);
  });

  test('does not keep the agent from pulling', async () => {
    double.giveTask(enrolled.identity.agentId);
    double.putSecret('db/password', 'second');
    await daemon.untilSecret('db/password', 'second');
  });

  test('beyond what the agent does at a time is not held up by a pull that waits', async () => {
    const later = { status: 503, headers: { 'retry-after': '1' } };
    double.failNext('/agent/v1/tasks/', later, later, later, later);
    const give = () => double.giveTask(enrolled.identity.agentId);
    const [, , , , fifth] = [give(), give(), give(), give(), give()];
    await until(() => nonEmpty(double.requestsTo(`/agent/v1/tasks/${fifth.id}/complete`)));
  });

  test('whose report does not arrive is reported again', async () => {
    double.failNext('/agent/v1/tasks/', { status: 503 }, { status: 502 });
    const task = double.giveTask(enrolled.identity.agentId);
    await until(() =>
      daemon.log.some(({ message, taskId }) => message === 'task done' && taskId === task.id),
    );
    expect(double.requestsTo(`/agent/v1/tasks/${task.id}/complete`)).toHaveLength(3);
  });

  test('whose lock is lost is dropped, and only logged', async () => {
    double.failNext('/agent/v1/tasks/', new Refusal(409, 'task.lock_lost'));
    const task = double.giveTask(enrolled.identity.agentId);
    await until(() =>
      daemon.log.some(
        ({ message, code }) => message === 'task dropped' && code === 'task.lock_lost',
      ),
    );
    expect(double.requestsTo(`/agent/v1/tasks/${task.id}/`)).toHaveLength(1);
    expect((await daemon.health()).status).toBe('ready');
  });
});

function nonEmpty<Item>(items: Item[]): Item[] | undefined {
  return items.length > 0 ? items : undefined;
}

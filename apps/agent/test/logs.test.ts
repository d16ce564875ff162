import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, startDaemon, until, type Enrolled, type LogLine } from './harness.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let log: LogLine[];
let agentId: string;
/** One life of an agent: start, a task, an outage, the way back, and the end. */
beforeAll(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 'canary-value');
  enrolled = await enrollWith(double);
  agentId = enrolled.identity.agentId;
  const daemon = await startDaemon(enrolled);
  log = daemon.log;
  await daemon.untilSecret('db/password', 'canary-value');
  double.giveTask(agentId);
  await until(() => has('task done'));
  await until(() => has('audit events reported'));
  await double.stop();
  await until(() => has('no news from the control plane; serving what there is'));
  await double.start();
  await until(() => all('the control plane serves this agent').length === 2);
  await daemon.stop();
});
afterAll(async () => {
  await double.stop();
  await enrolled.home.remove();
});

const all = (message: string) => log.filter((line) => line.message === message);
const has = (message: string) => all(message).length > 0;
const positionOf = (message: string) => log.findIndex((line) => line.message === message);

describe('the agent’s log tells', () => {
  test('[AT-45] its start and its end, and what it served where', () => {
    expect(all('listening')).toMatchObject([{ level: 'info', agentId, path: enrolled.socket }]);
    expect(all('stopped')).toHaveLength(1);
    expect(positionOf('listening')).toBeLessThan(positionOf('stopped'));
  });

  test('[AT-42] [AT-43] each session and each retrieval with how long it took, and each submission with how much it was', () => {
    expect(all('session opened')[0]).toMatchObject({ durationMs: expect.any(Number) });
    expect(all('revision applied')[0]).toMatchObject({
      revision: double.group.revision,
      entries: 1,
      durationMs: expect.any(Number),
    });
    expect(all('audit events reported')[0]).toMatchObject({ count: expect.any(Number) });
  });

  test('[AT-40] each job with its start, its end, its attempt and how long it took', () => {
    const job = { taskId: expect.any(String), taskKind: 'diagnose', attempt: 1 };
    expect(all('task started')).toMatchObject([job]);
    expect(all('task done')).toMatchObject([{ ...job, durationMs: expect.any(Number) }]);
  });

  test('[AT-44] [AT-43] each change of its state, with the code of what went wrong', () => {
    const [fault] = all('no news from the control plane; serving what there is');
    expect(fault).toMatchObject({
      level: 'warn',
      code: expect.stringMatching(/^link\./),
      delayMs: expect.any(Number),
    });
    expect(all('the control plane serves this agent')).toHaveLength(2);
  });

  test('no value', () => {
    expect(JSON.stringify(log)).not.toContain('canary');
  });
});

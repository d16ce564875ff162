import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, startDaemon, until, type Enrolled, type LogLine } from './harness.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let log: LogLine[];
let agentId: string;
/** One life of an agent: start, a task, replies that fail, an outage, the way back, its revocation, and the end. */
beforeAll(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 'canary-value');
  enrolled = await enrollWith(double);
  agentId = enrolled.identity.agentId;
  double.failNext('/agent/v1/events', { status: 503 });
  const daemon = await startDaemon(enrolled);
  log = daemon.log;
  await daemon.untilSecret('db/password', 'canary-value');
  double.giveTask(agentId);
  await until(() => has('task done'));
  await until(() => has('audit events reported'));
  double.failNext('/agent/v1/revisions/', { status: 503 });
  // Too large to come with the pull.
  double.putSecret('large', 'canary-'.repeat(20_000));
  await until(() => all('revision applied').length === 2);
  await double.stop();
  await until(() => faults().includes('link'));
  await double.start();
  await until(() => all(SERVED).length === 3);
  double.revoke(agentId);
  await until(() => lastOf('error') !== undefined);
  await daemon.stop();
});
afterAll(async () => {
  await double.stop();
  await enrolled.home.remove();
});

const NO_NEWS = 'no news from the control plane; serving what there is';
const SERVED = 'the control plane serves this agent';
const CHANGES = [NO_NEWS, SERVED];
const all = (message: string) => log.filter((line) => line.message === message);
const has = (message: string) => all(message).length > 0;
const kindOf = (code: LogLine['code']) => code?.toString().split('.')[0];
/** Of what kind each was that kept news away, such as `link`. */
const faults = () => all(NO_NEWS).map(({ code }) => kindOf(code));
const lastOf = (level: string) => log.findLast((line) => line.level === level);
const positionOf = (message: string) => log.findIndex((line) => line.message === message);

describe('the agent’s log tells', () => {
  test('[AT-45] its start and its end, and what it served where', () => {
    expect(all('listening')).toMatchObject([{ level: 'info', agentId, path: enrolled.socket }]);
    expect(all('stopped')).toHaveLength(1);
    expect(positionOf('listening')).toBeLessThan(positionOf('stopped'));
  });

  test('[AT-42] [AT-43] each session and each retrieval with how long it took, and each submission with how much it was', () => {
    expect(all('session opened')).toMatchObject([{ durationMs: expect.any(Number) }]);
    expect(all('revision applied')).toMatchObject([
      { revision: 2, entries: 1, durationMs: expect.any(Number) },
      { revision: 3, entries: 1, durationMs: expect.any(Number) },
    ]);
    expect(all('audit events reported')[0]).toMatchObject({ count: expect.any(Number) });
  });

  test('[AT-42] [AT-43] each retrieval, connection and submission that failed, with the code of why', () => {
    const said = { delayMs: expect.any(Number), detail: expect.stringMatching(/.{20}/) };
    for (const fault of all(NO_NEWS)) expect(fault).toMatchObject(said);
    expect(new Set(faults())).toEqual(new Set(['reply', 'link']));
    const submission = 'audit events wait for the control plane';
    expect(all(submission)[0]).toMatchObject({ code: 'reply.unexpected' });
    expect(positionOf(submission)).toBeLessThan(positionOf('audit events reported'));
  });

  test('[AT-40] with which control plane a session was opened, and that it lets the agent in no more', () => {
    expect(all('session opened')).toMatchObject([{ controlPlane: double.url }]);
    expect(lastOf('error')).toMatchObject({ code: 'agent.revoked' });
  });

  test('[AT-40] each job with its start, its end, its attempt and how long it took', () => {
    const job = { taskId: expect.any(String), taskKind: 'diagnose', attempt: 1 };
    expect(all('task started')).toMatchObject([job]);
    expect(all('task done')).toMatchObject([{ ...job, durationMs: expect.any(Number) }]);
  });

  test('[AT-44] [AT-43] each change of its state, with the code of what went wrong', () => {
    const told = log.filter(({ level, message }) => level !== 'debug' && CHANGES.includes(message));
    const states = told.map(({ code }) => kindOf(code) ?? 'served');
    // An outage may show in several ways, one after the other.
    expect(states.filter((state, at) => state !== states[at - 1])).toEqual([
      'served',
      'reply',
      'served',
      'link',
      'served',
    ]);
  });

  test('no value', () => {
    expect(JSON.stringify(log)).not.toContain('canary');
  });
});

import { randomBytes } from 'node:crypto';
import { writeFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { ReportEventsBody } from '@sallyport/contract';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { until } from '@sallyport/testkit/until';
import { AgentError } from '../agent-error.ts';
import { silentLog } from '../log.ts';
import { AgentEvents } from './agent-events.ts';
import { EventSpool } from './event-spool.ts';

const key = randomBytes(32);
let home: TempDirectory;
let reports: ReportEventsBody[];
/** What the control plane does with the next reports, in turn; then it takes them. */
let faults: ('lose reply' | AgentError)[];
let onSleep: (ms: number) => void;
const running: AgentEvents[] = [];

const controlPlane = {
  reportEvents: async (report: ReportEventsBody) => {
    const fault = faults.shift();
    if (fault instanceof AgentError) throw fault;
    reports.push(report);
    if (fault === 'lose reply') throw new AgentError('link.reset', 'lost', { retryable: true });
  },
};

beforeEach(async () => {
  home = await createTempDirectory('events');
  reports = [];
  faults = [];
  onSleep = () => {};
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((events) => events.stop()));
  await home.remove();
});

/** Without pauses: what is waited for comes at once. */
async function opened(maxBytes?: number): Promise<AgentEvents> {
  const bound = maxBytes === undefined ? {} : { maxBytes };
  const spool = new EventSpool(home.path, { key, log: silentLog, ...bound });
  await spool.restore();
  const clock = {
    now: () => Date.now(),
    sleep: (ms: number) => {
      onSleep(ms);
      return new Promise<void>((resolve) => setImmediate(resolve));
    },
  };
  const events = new AgentEvents({ spool, group: 'g', clock, random: () => 0, log: silentLog });
  running.push(events);
  return events;
}
const start = { action: 'agent:start', subject: 'agent' } as const;
const subjects = () => reports.flatMap(({ events }) => events.map(({ subject }) => subject));

describe('what happens on the host', () => {
  test('[SG-15] goes to the control plane, in order, and is on disk no more', async () => {
    const events = await opened();
    events.start(controlPlane, () => 'g');
    for (const subject of ['one', 'two', 'three']) events.record({ ...start, subject });
    await until(async () => subjects().length === 3);
    expect(subjects()).toEqual(['one', 'two', 'three']);
    await until(async () => events.state().waiting === 0);
  });

  test('[F-01] waits on disk while the control plane is gone, over a restart, and goes there then', async () => {
    const away = await opened();
    away.record({ ...start, subject: 'offline' });
    await away.stop();
    expect(away.state().waiting).toBe(1);
    const again = await opened();
    again.start(controlPlane, () => 'g');
    await until(async () => subjects().includes('offline'));
  });

  test('is told again after a lost reply, under the same id', async () => {
    faults = ['lose reply'];
    const events = await opened();
    events.start(controlPlane, () => 'g');
    events.record(start);
    await until(async () => reports.length === 2);
    expect(new Set(reports.map(({ batch }) => batch)).size).toBe(1);
  });

  test('[SG-15] of which the control plane wants no more for now waits as long as it says, and none is dropped', async () => {
    const retryAfterMs = 60_000;
    faults = [new AgentError('rate.limited', 'no', { status: 429, retryable: true, retryAfterMs })];
    const events = await opened();
    const reported = new Map<number, number>();
    onSleep = (ms) => reported.set(ms, reports.length);
    events.start(controlPlane, () => 'g');
    events.record(start);
    await until(async () => reports.length === 1);
    expect(reported.get(retryAfterMs)).toBe(0);
    expect(events.state()).toMatchObject({ dropped: 0 });
  });

  test('that the control plane cannot read stops nothing that follows, and is counted', async () => {
    faults = [new AgentError('request.invalid', 'no', { status: 400 })];
    const events = await opened();
    events.start(controlPlane, () => 'g');
    events.record(start);
    await until(async () => events.state().dropped === 1);
    events.record({ ...start, subject: 'next' });
    await until(async () => subjects().includes('next'));
    expect(reports.flatMap((report) => report.events)).toContainEqual(
      expect.objectContaining({ action: 'events:drop', count: 1 }),
    );
  });

  test('that does not fit is dropped, counted, and told once there is room', async () => {
    const events = await opened(1_000);
    for (let at = 0; at < 400; at += 1) events.record({ ...start, subject: 'x'.repeat(100) });
    await events.stop();
    // The last one fits, with what tells of the others.
    expect(events.state()).toMatchObject({ dropped: 399, untold: 0 });
    const roomy = await opened();
    roomy.start(controlPlane, () => 'g');
    await until(async () => subjects().length > 0);
    expect(reports.flatMap((report) => report.events)).toMatchObject([
      { action: 'events:drop', count: 399 },
      { action: 'agent:start' },
    ]);
  });

  test('is kept in memory while the disk does not take it, within bounds', async () => {
    await writeFile(join(home.path, 'events'), 'in the way');
    const events = await opened();
    events.start(controlPlane, () => 'g');
    for (let at = 0; at < 1_200; at += 1) events.record({ ...start, subject: `${at}` });
    expect(events.state().dropped).toBe(200);
    await rm(join(home.path, 'events'));
    await until(async () => reports.flatMap((report) => report.events).length === 1_001);
    expect(subjects().slice(0, 2)).toEqual(['agent', '0']);
  });

  test('is not recorded any more once it is over, and nothing comes to disk after a discard', async () => {
    const events = await opened();
    events.record(start);
    await events.discard();
    events.record(start);
    await events.stop();
    expect(events.state().waiting).toBe(0);
  });
});

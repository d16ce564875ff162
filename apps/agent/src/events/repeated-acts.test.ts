import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { NewEvent } from './agent-events.ts';
import { RepeatedActs, type Act } from './repeated-acts.ts';

const read: Act = {
  action: 'value:read',
  subject: 'secret:db/password',
  outcome: 'done',
  application: { listener: '/run/a.sock', pid: 1, uid: 2, gid: 3 },
  code: null,
  version: 1,
};

let recorded: NewEvent[];
let acts: RepeatedActs;
beforeEach(() => {
  recorded = [];
  acts = new RepeatedActs(
    (event) => void recorded.push(event),
    () => 0,
  );
});
afterEach(() => acts.close());

describe('acts that repeat', () => {
  test('are one event with their number and the time of the first', () => {
    for (let at = 0; at < 1_000; at += 1) acts.note(read, undefined);
    expect(recorded).toEqual([]);
    acts.flush();
    expect(recorded).toEqual([{ ...read, at: '1970-01-01T00:00:00.000Z', count: 1_000 }]);
    acts.flush();
    expect(recorded).toHaveLength(1);
  });

  test.each<[string, Partial<Act>]>([
    ['secret', { subject: 'secret:other' }],
    ['version', { version: 2 }],
    ['user', { application: { ...read.application, uid: 9 } }],
    ['place', { application: { ...read.application, listener: '/run/b.sock' } }],
    ['outcome', { outcome: 'refused', code: 'request.not_allowed' }],
  ])('of another %s are another event', (_, change) => {
    for (const act of [read, { ...read, ...change }]) acts.note(act, undefined);
    acts.flush();
    expect(recorded.map(({ count }) => count)).toEqual([1, 1]);
  });

  test('of several processes of a user are one event, of none of them', () => {
    for (const pid of [1, 2, 2])
      acts.note({ ...read, application: { ...read.application, pid } }, undefined);
    acts.flush();
    expect(recorded).toMatchObject([{ count: 3, application: { uid: 2, pid: null } }]);
  });

  test('[SG-03] whose request the program named are an event each, and counted when there are too many', () => {
    for (let at = 0; at < 700; at += 1) acts.note(read, `request-${at}`);
    expect(recorded).toHaveLength(600);
    expect(recorded.at(-1)).toMatchObject({ requestId: 'request-599' });
    acts.flush();
    expect(recorded.at(-1)).toMatchObject({ count: 100 });
    acts.note(read, 'after');
    expect(recorded.at(-1)).toMatchObject({ requestId: 'after' });
  });

  test('of too many kinds take no more room, and are counted together', () => {
    for (let at = 0; at < 3_000; at += 1)
      acts.note({ ...read, subject: `secret:${at}` }, undefined);
    expect(recorded).toEqual([]);
    acts.flush();
    expect(recorded).toHaveLength(1_025);
    expect(recorded.at(-1)).toMatchObject({ subject: 'others', count: 3_000 - 1_024 });
  });

  test('[SG-03] of one user leave another its share of events of its own, and refusals have none', () => {
    const of = (uid: number) => ({ ...read.application, uid });
    for (let at = 0; at < 1_000; at += 1) {
      acts.note({ ...read, application: of(666) }, `noise-${at}`);
      acts.note({ ...read, action: 'value:refuse', application: of(1) }, `refused-${at}`);
    }
    acts.note({ ...read, application: of(1) }, 'shop-1');
    expect(recorded.at(-1)).toMatchObject({ requestId: 'shop-1' });
    expect(recorded.some(({ action }) => action === 'value:refuse')).toBe(false);
  });
});

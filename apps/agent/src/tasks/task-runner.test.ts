import { describe, expect, test } from '@jest/globals';
import type { ClaimedTask, Diagnosis } from '@sallyport/contract';
import { AgentError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import { silentLog, type Log } from '../log.ts';
import { TaskRunner } from './task-runner.ts';

const task: ClaimedTask = {
  id: '01890a5d-ac96-774b-bcce-b302099a8057',
  kind: 'diagnose',
  lock: 'l',
  lockSeconds: 30,
  attempt: 1,
};
const diagnosis: Diagnosis = {
  facts: { agentVersion: '1', platform: 'linux', architecture: 'x64', runtime: 'node' },
  uptimeSeconds: 1,
  clockOffsetMilliseconds: null,
  tls: null,
  cache: { revision: 0, epoch: 0, entries: 0, bytes: 0 },
  disk: { durableBundleBytes: null, durableRevision: null, freeBytes: 0, quarantined: 0 },
};

/** Sleeps end when the test says so; `slept` says how long each was to be. */
function handClock() {
  const slept: number[] = [];
  let wake = () => {};
  const clock: Clock = {
    now: () => 0,
    monotonic: () => 0,
    sleep: (ms, signal) => {
      slept.push(ms);
      return new Promise((resolve) => {
        wake = resolve;
        signal?.addEventListener('abort', () => resolve(), { once: true });
      });
    },
  };
  return { clock, slept, wake: () => wake() };
}

function setUp(options: { extend?: () => Promise<void>; diagnose: () => Promise<Diagnosis> }) {
  const said: string[] = [];
  const logged: object[] = [];
  const hand = handClock();
  const record: Log['warn'] = (fields, message) => void logged.push({ ...fields, message });
  const runner = new TaskRunner({
    clock: hand.clock,
    random: () => 0,
    log: { ...silentLog, info: record, warn: record },
    diagnose: options.diagnose,
    controlPlane: {
      extendTask: async () => {
        said.push('extend');
        await options.extend?.();
      },
      completeTask: async () => void said.push('complete'),
      failTask: async (_id, _lock, error) => void said.push(`fail: ${error}`),
    },
  });
  return { runner, said, logged, ...hand };
}

describe('a task', () => {
  test('that takes long has its lock extended at half of its time', async () => {
    const { promise, resolve } = Promise.withResolvers<Diagnosis>();
    const { runner, said, slept, wake } = setUp({ diagnose: () => promise });
    runner.start([task]);
    wake();
    await Promise.resolve();
    expect(slept[0]).toBe(15_000);
    resolve(diagnosis);
    await settled(runner);
    expect(said).toEqual(['extend', 'complete']);
  });

  test('whose lock is lost meanwhile is not reported', async () => {
    const { promise } = Promise.withResolvers<Diagnosis>();
    const lost = async () => Promise.reject(new AgentError('task.lock_lost', 'lost'));
    const { runner, said, wake } = setUp({ diagnose: () => promise, extend: lost });
    runner.start([task]);
    wake();
    await settled(runner);
    expect(said).toEqual(['extend']);
  });

  test('[AT-40] that cannot be done is failed, and its log tells so with the code, without the reason’s text', async () => {
    for (const [error, code] of [
      [new Error('canary'), 'agent.internal'],
      [new AgentError('state.unusable', 'no such directory'), 'state.unusable'],
    ] as const) {
      const { runner, said, logged } = setUp({ diagnose: async () => Promise.reject(error) });
      runner.start([task]);
      await settled(runner);
      expect(said).toEqual(['fail: diagnose could not be finished on this host']);
      const fields = { taskId: task.id, taskKind: 'diagnose', attempt: 1 };
      expect(logged).toEqual([
        { ...fields, message: 'task started' },
        expect.objectContaining({ ...fields, message: 'task failed', durationMs: 0, code }),
      ]);
      expect(JSON.stringify(logged)).not.toContain('canary');
    }
  });

  test('takes one of four places until it is done', async () => {
    const { promise, resolve } = Promise.withResolvers<Diagnosis>();
    const { runner } = setUp({ diagnose: () => promise });
    runner.start([task, task, task]);
    expect(runner.capacity()).toBe(1);
    resolve(diagnosis);
    await settled(runner);
    expect(runner.capacity()).toBe(4);
  });
});

async function settled(runner: TaskRunner): Promise<void> {
  while (runner.capacity() < 4) await new Promise((resolve) => setImmediate(resolve));
}

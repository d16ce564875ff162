import { describe, expect, test } from '@jest/globals';
import type { ClaimedTask, Diagnosis } from '@sallyport/contract';
import { AgentError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import { silentLog } from '../log.ts';
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
  const hand = handClock();
  const runner = new TaskRunner({
    clock: hand.clock,
    random: () => 0,
    log: silentLog,
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
  return { runner, said, ...hand };
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

  test('that cannot be done is failed, without the reason’s text', async () => {
    const { runner, said } = setUp({ diagnose: async () => Promise.reject(new Error('canary')) });
    runner.start([task]);
    await settled(runner);
    expect(said).toEqual(['fail: diagnose could not be finished on this host']);
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

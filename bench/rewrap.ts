import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { monotonicMs } from './clock.ts';
import { startInstallation, type Installation } from './installation.ts';
import { openDatabase } from './open-database.ts';
import { PacedCallers } from './paced-callers.ts';
import { percentile } from './percentile.ts';
import { atLeast, atMost, describeMachine, type BenchResult } from './result.ts';
import { countSealedBy, fillGroup } from './sealed-values.ts';

const GROUP = 'bench';
const PACE = { callers: 8, everyMs: 320 };
const WARM_UP_MS = 5_000;
const BEFORE_MS = 10_000;
const LOOK_MS = 50;
const PATIENCE_MS = 120_000;

type Found = { seconds: number; before: number[]; during: number[] };

/**
 * Rotates the keyring of a group of `size` secret versions while operators write to it, and times how fast
 * the control plane seals them anew, and how long writes take before it and meanwhile.
 */
export async function rewrap(size: number, say: (line: string) => void): Promise<BenchResult> {
  say('starting a control plane');
  const installation = await startInstallation();
  let found: Found;
  try {
    const database = await openDatabase(installation.dataDir);
    try {
      found = await timeRewrap(installation, database, size, say);
    } finally {
      await database.end();
    }
  } finally {
    await installation.stop();
  }
  const { seconds, before, during } = found;
  const p99 = { before: percentile(before, 0.99), during: percentile(during, 0.99) };
  return {
    benchmark: `rewrap of ${size} values while ${(PACE.callers * 1000) / PACE.everyMs} a second are written`,
    machine: describeMachine(),
    samples: during.length,
    goals: [
      atLeast('values sealed anew', { value: size / seconds, unit: '/s' }, 10_000),
      atMost(
        'writes meanwhile, p99',
        { value: p99.during, unit: 'ms', yardstick: p99.before },
        2 * p99.before,
      ),
    ],
  };
}

async function timeRewrap(
  { call, dataDir }: Installation,
  database: Client,
  size: number,
  say: (line: string) => void,
): Promise<Found> {
  await call('POST', '/groups', { name: GROUP });
  say(`sealing ${size} values`);
  await fillGroup(database, dataDir, GROUP, size);
  const writers = PacedCallers.start(PACE, (writer, count) =>
    call('PUT', `/groups/${GROUP}/secrets/written-${writer}`, {
      value: `value-${count}`,
      offline: 'allow',
    }),
  );
  try {
    await sleep(WARM_UP_MS);
    writers.take();
    say('writing');
    await sleep(BEFORE_MS);
    const before = writers.take();
    say('rotating');
    await call('POST', `/groups/${GROUP}/keyring/rotate`);
    const seconds = await timeProgress(database, () => writers.take());
    return { seconds, before, during: writers.take() };
  } finally {
    await writers.stop();
  }
}

/** From the last look that found nothing done to the first that found nothing left. */
async function timeProgress(database: Client, whenBegun: () => void): Promise<number> {
  const whole = await countSealedBy(database, GROUP, 1);
  const rotatedAt = monotonicMs();
  let begun = rotatedAt;
  for (let left = whole; left > 0;) {
    await sleep(LOOK_MS);
    const lookedAt = monotonicMs();
    left = await countSealedBy(database, GROUP, 1);
    if (lookedAt - rotatedAt > PATIENCE_MS) throw new Error(`${left} values are left`);
    if (left === whole) {
      begun = lookedAt;
      whenBegun();
    }
  }
  return (monotonicMs() - begun) / 1000;
}

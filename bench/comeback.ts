import { setTimeout as sleep } from 'node:timers/promises';
import { createdEnrollmentToken } from '@sallyport/contract';
import { formatToken, mintToken, parseToken } from '@sallyport/crypto/token';
import { startFlood } from '@sallyport/testkit/flood';
import { monotonicMs } from './clock.ts';
import { Crowd } from './crowd.ts';
import { enrolmentOf, newKeys } from './enrol.ts';
import { startInstallation, type Installation } from './installation.ts';
import { atMost, describeMachine, type BenchResult } from './result.ts';
import { shares } from './rounds.ts';

const CLIENT_PROCESSES = 2;
const FLOODING = 32;
const GOAL_SECONDS_PER_5000 = 60;

/**
 * Kills a control plane that `size` agents wait at and starts it again, while strangers show made-up secrets of an
 * enrolment token, each of which has to be hashed. Times how long all agents take to come back and apply a change
 * that is made as soon as it runs.
 */
export async function comeback(size: number, say: (line: string) => void): Promise<BenchResult> {
  say('starting a control plane');
  const installation = await startInstallation();
  try {
    const { seconds, byStatus } = await timeReturn(size, installation, say);
    say(`the flood was answered ${JSON.stringify(Object.fromEntries(byStatus))}`);
    return {
      benchmark: `${size} agents come back to a control plane that was killed, beside a flood of bogus tokens`,
      machine: describeMachine(),
      samples: size,
      goals: [
        atMost(
          'all have applied a change, from the start on',
          { value: seconds, unit: 's' },
          GOAL_SECONDS_PER_5000 * Math.max(1, size / 5_000),
        ),
      ],
    };
  } finally {
    await installation.stop();
  }
}

async function timeReturn(
  size: number,
  { call, agentUrl, caCertificate: ca, metric, restart }: Installation,
  say: (line: string) => void,
): Promise<{ seconds: number; byStatus: ReadonlyMap<number, number> }> {
  await call('POST', '/groups', { name: 'bench' });
  const change = (value: string) => call('PUT', '/groups/bench/secrets/s', { value });
  await change('before');
  const { token } = createdEnrollmentToken.parse(
    await call('POST', '/groups/bench/enrollment-tokens', { uses: size }),
  );
  say(`enrolling ${size} agents`);
  const crowd = Crowd.start(
    shares({ clients: size, processes: CLIENT_PROCESSES }).map((count, index) => ({
      as: 'agents' as const,
      ...{ count, url: agentUrl, ca, token, namePrefix: `agent-${index}` },
    })),
  );
  try {
    await crowd.arrivals();
    while ((await metric('sallyport_waiting_pulls')) < size) await sleep(50);
    const { id } = parseToken(token, 'enroll');
    const keys = await newKeys();
    const body = async () => {
      const bogus = formatToken(mintToken('enroll', id));
      return JSON.stringify(await enrolmentOf(keys, { name: 'stranger', token: bogus }));
    };
    const flood = startFlood({ url: `${agentUrl}/agent/v1/enroll`, ca, clients: FLOODING, body });
    say('killing the control plane, and starting it again');
    await restart();
    const startedAt = monotonicMs();
    const arrivals = crowd.arrivals();
    const [atMs] = await Promise.all([arrivals, change('after')]);
    const { byStatus } = await flood.stop();
    return { seconds: (Math.max(...atMs) - startedAt) / 1000, byStatus };
  } finally {
    await crowd.stop();
  }
}

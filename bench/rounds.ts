import { fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createdEnrollmentToken } from '@sallyport/contract';
import { makeAuthority } from '@sallyport/tls/test/authority';
import { z } from 'zod';
import { BareClient } from './bare-client.ts';
import type { BareServerOrder } from './bare-server.ts';
import { monotonicMs } from './clock.ts';
import { Crowd } from './crowd.ts';
import { startInstallation, type Installation } from './installation.ts';

const BARE_SERVER = fileURLToPath(new URL('bare-server.ts', import.meta.url));
const SECRETS = 10;
const WARM_UP = 5;

/** How many clients wait, in how many processes, and how many changes they are told. */
export type Shape = { clients: number; processes: number; changes: number };
/** From the operator's request to each client, in milliseconds: one number per client and change. */
export type Rounds = { sallyport: number[]; bare: number[] };

/**
 * Changes a secret of a group of ten, again and again, and times when each waiting agent has applied it;
 * then the same with a bare HTTPS server that sends the same bytes to as many waiting requests.
 */
export async function timeChanges(shape: Shape, say: (line: string) => void): Promise<Rounds> {
  say('starting a control plane');
  const installation = await startInstallation();
  let payload: string;
  let sallyport: number[];
  try {
    ({ payload, latencies: sallyport } = await timeSallyport(installation, shape, say));
  } finally {
    await installation.stop();
  }
  say('the yardstick: a bare HTTPS server');
  return { sallyport, bare: await timeBare(shape, payload, say) };
}

async function timeSallyport(
  installation: Installation,
  shape: Shape,
  say: (line: string) => void,
): Promise<{ latencies: number[]; payload: string }> {
  const { call } = installation;
  await call('POST', '/groups', { name: 'bench' });
  const change = (index: number) =>
    call('PUT', `/groups/bench/secrets/secret-${index % SECRETS}`, {
      value: `value-${index}-${'x'.repeat(24)}`,
      offline: 'allow',
    });
  for (let index = 0; index < SECRETS; index += 1) await change(index);
  const { token } = createdEnrollmentToken.parse(
    await call('POST', '/groups/bench/enrollment-tokens', { uses: shape.clients }),
  );
  say(`enrolling ${shape.clients} agents`);
  const crowd = Crowd.start(
    shares(shape).map((count, index) => ({
      as: 'agents' as const,
      count,
      url: installation.agentUrl,
      ca: installation.caCertificate,
      token,
      namePrefix: `agent-${index}`,
    })),
  );
  try {
    await crowd.arrivals();
    const latencies = await timeRounds(
      {
        crowd,
        change,
        waiting: () => installation.metric('sallyport_waiting_pulls'),
      },
      shape,
      say,
    );
    return { latencies, payload: await crowd.lastReply() };
  } finally {
    await crowd.stop();
  }
}

async function timeBare(
  shape: Shape,
  payload: string,
  say: (line: string) => void,
): Promise<number[]> {
  const authority = await makeAuthority();
  const { cert, key } = await authority.issue();
  const server = fork(BARE_SERVER, { execArgv: ['--disable-warning=ExperimentalWarning'] });
  server.send({ cert, key, payload } satisfies BareServerOrder);
  const [told] = await new Promise<unknown[]>((resolve) =>
    server.once('message', (...heard) => resolve(heard)),
  );
  const url = `https://127.0.0.1:${z.object({ port: z.int() }).parse(told).port}`;
  const operator = new BareClient(url, authority.ca);
  const crowd = Crowd.start(
    shares(shape).map((count) => ({ as: 'bare' as const, count, url, ca: authority.ca })),
  );
  try {
    return await timeRounds(
      {
        crowd,
        change: (index) => operator.post('/change', JSON.stringify({ value: `value-${index}` })),
        waiting: async () => Number(await operator.post('/waiting', '')),
      },
      shape,
      say,
    );
  } finally {
    await crowd.stop();
    operator.close();
    server.kill();
  }
}

type Timed = {
  crowd: Crowd;
  change: (index: number) => Promise<unknown>;
  waiting: () => Promise<number>;
};

async function timeRounds(
  { crowd, change, waiting }: Timed,
  { clients, changes }: Shape,
  say: (line: string) => void,
): Promise<number[]> {
  const latencies: number[] = [];
  for (let index = -WARM_UP; index < changes; index += 1) {
    // Not more often: a look is a scrape of all metrics, and keeps the control plane busy.
    while ((await waiting()) < clients) await sleep(50);
    const arrivals = crowd.arrivals();
    const sentAt = monotonicMs();
    const [atMs] = await Promise.all([arrivals, change(index + WARM_UP)]);
    if (index < 0) continue;
    latencies.push(...atMs.map((at) => at - sentAt));
    if ((index + 1) % Math.ceil(changes / 4) === 0) say(`${index + 1} of ${changes} changes`);
  }
  return latencies;
}

/** As many clients for each process. */
export function shares({ clients, processes }: Pick<Shape, 'clients' | 'processes'>): number[] {
  const used = Math.min(clients, processes);
  return Array.from(
    { length: used },
    (_, index) => Math.floor(clients / used) + (index < clients % used ? 1 : 0),
  );
}

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { HttpsLink } from '@sallyport/tls/https-link';
import { makeAuthority } from '@sallyport/tls/test/authority';
import { z } from 'zod';
import type { BareFastifyOrder } from './bare-fastify.ts';
import { startInstallation, type Installation } from './installation.ts';
import { atLeast, describeMachine, type BenchResult } from './result.ts';

const BARE_FASTIFY = fileURLToPath(new URL('bare-fastify.ts', import.meta.url));
const PATH = '/groups/bench/secrets/db/reveal';
const CLIENTS = 32;
const ROUNDS = 5;

type Call = () => Promise<unknown>;

/** Audited reveals of a secret over HTTPS, beside a bare Fastify reply of the same bytes, in rounds that take turns. */
export async function reveal(size: number, say: (line: string) => void): Promise<BenchResult> {
  say('starting a control plane');
  const installation = await startInstallation();
  try {
    const { call } = installation;
    await call('POST', '/groups', { name: 'bench' });
    await call('PUT', '/groups/bench/secrets/db', { value: 'a value of some twenty-nine bytes' });
    const bare = await startBare(JSON.stringify(await call('POST', PATH, {})));
    try {
      const rates = await timeRounds(size, { installation, bare: bare.call }, say);
      await expectAudited(installation, (ROUNDS + 1) * size + 1);
      return resultOf(size, rates);
    } finally {
      await bare.stop();
    }
  } finally {
    await installation.stop();
  }
}

async function timeRounds(
  size: number,
  { installation, bare }: { installation: Installation; bare: Call },
  say: (line: string) => void,
): Promise<{ revealed: number; plain: number }> {
  const revealing = () => installation.call('POST', PATH, {});
  let [revealSeconds, bareSeconds] = [0, 0];
  // The first round is for warming up.
  for (let round = 0; round <= ROUNDS; round += 1) {
    const [took, tookBare] = [await timeCalls(size, revealing), await timeCalls(size, bare)];
    if (round === 0) continue;
    revealSeconds += took;
    bareSeconds += tookBare;
    say(`${Math.round(size / took)} reveals/s, ${Math.round(size / tookBare)} bare replies/s`);
  }
  return { revealed: (ROUNDS * size) / revealSeconds, plain: (ROUNDS * size) / bareSeconds };
}

async function timeCalls(count: number, call: Call): Promise<number> {
  const startedAt = performance.now();
  let left = count;
  const client = async () => {
    while (left-- > 0) await call();
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return (performance.now() - startedAt) / 1000;
}

/** A reveal that is not in the audit would be no reveal. */
async function expectAudited({ call }: Installation, wanted: number): Promise<void> {
  const verified = z
    .object({ intact: z.boolean(), size: z.number() })
    .parse(await call('GET', '/audit/verify'));
  if (!verified.intact || verified.size < wanted)
    throw new Error(`the audit holds ${verified.size} events of at least ${wanted}`);
}

async function startBare(payload: string): Promise<{ call: Call; stop(): Promise<void> }> {
  const authority = await makeAuthority();
  const { cert, key } = await authority.issue();
  const server = fork(BARE_FASTIFY, { execArgv: ['--disable-warning=ExperimentalWarning'] });
  server.send({ cert, key, payload } satisfies BareFastifyOrder);
  const [told]: unknown[] = await once(server, 'message');
  const { port } = z.object({ port: z.int() }).parse(told);
  const link = new HttpsLink({ baseUrl: `https://127.0.0.1:${port}`, ca: authority.ca });
  return {
    call: () => link.request('POST', `/api/v1${PATH}`, { json: {} }),
    stop: async () => {
      link.close();
      server.kill();
      await once(server, 'exit');
    },
  };
}

function resultOf(
  size: number,
  { revealed, plain }: { revealed: number; plain: number },
): BenchResult {
  return {
    benchmark: `reveal by ${CLIENTS} clients`,
    machine: describeMachine(),
    samples: ROUNDS * size,
    goals: [
      atLeast(
        'audited reveals over a bare Fastify reply',
        { value: revealed / plain, unit: 'x', yardstick: 1 },
        1 / 20,
      ),
      atLeast('audited reveals', { value: revealed, unit: '/s', yardstick: plain }, plain / 20),
    ],
  };
}

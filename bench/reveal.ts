import { z } from 'zod';
import { startBare, timeCalls, type Call } from './bare-reply.ts';
import { startInstallation, type Installation } from './installation.ts';
import { atLeast, describeMachine, type BenchResult } from './result.ts';

const PATH = '/groups/bench/secrets/db/reveal';
const CLIENTS = 32;
const ROUNDS = 5;

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
    const [took, tookBare] = [
      await timeCalls(size, CLIENTS, revealing),
      await timeCalls(size, CLIENTS, bare),
    ];
    if (round === 0) continue;
    revealSeconds += took;
    bareSeconds += tookBare;
    say(`${Math.round(size / took)} reveals/s, ${Math.round(size / tookBare)} bare replies/s`);
  }
  return { revealed: (ROUNDS * size) / revealSeconds, plain: (ROUNDS * size) / bareSeconds };
}

/** A reveal that is not in the audit would be no reveal. */
async function expectAudited({ call }: Installation, wanted: number): Promise<void> {
  const verified = z
    .object({ intact: z.boolean(), size: z.number() })
    .parse(await call('GET', '/audit/verify'));
  if (!verified.intact || verified.size < wanted)
    throw new Error(`the audit holds ${verified.size} events of at least ${wanted}`);
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

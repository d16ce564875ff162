import { startInstallation } from './installation.ts';
import { bareSocket, LocalAgent } from './local-agent.ts';
import { percentile } from './percentile.ts';
import { atLeast, atMost, describeMachine, type BenchResult, type Goal } from './result.ts';
import { SocketClient } from './socket-client.ts';

const ROUNDS = 5;
const CONNECTIONS = [1, 32];
const PATH = '/v1/secrets/db-password';
/** The share of what a bare server answers, and milliseconds. */
const GOALS = { share: 0.7, p99: 2 };

/** Reads of one secret over the agent's socket, beside a bare Node server on one, in rounds that take turns. */
export async function localRead(size: number, say: (line: string) => void): Promise<BenchResult> {
  say('starting a control plane and an agent');
  const installation = await startInstallation();
  try {
    await installation.call('POST', '/groups', { name: 'bench' });
    await installation.call('PUT', '/groups/bench/secrets/db-password', {
      value: 'correct horse battery staple!!!!',
    });
    const local = await LocalAgent.enrolled(installation, 'bench');
    const agent = await local.run(PATH);
    const bare = await bareSocket(await bodyOf(agent.socket));
    const goals: Goal[] = [];
    for (const connections of CONNECTIONS)
      goals.push(
        ...(await compare({ agent: agent.socket, bare: bare.socket, connections, size }, say)),
      );
    await Promise.all([agent.stop(), bare.stop()]);
    await local.remove();
    const samples = ROUNDS * size * CONNECTIONS.length;
    return {
      benchmark: 'reads over the agent’s socket',
      machine: describeMachine(),
      samples,
      goals,
    };
  } finally {
    await installation.stop();
  }
}

async function bodyOf(socket: string): Promise<string> {
  const client = await SocketClient.open(socket, PATH);
  const { body } = await client.ask();
  client.close();
  return body;
}

type Comparison = { agent: string; bare: string; connections: number; size: number };

async function compare(
  { agent, bare, connections, size }: Comparison,
  say: (line: string) => void,
): Promise<Goal[]> {
  let [seconds, bareSeconds] = [0, 0];
  const [latencies, bareLatencies]: [number[], number[]] = [[], []];
  // The first round is for warming up.
  for (let round = 0; round <= ROUNDS; round += 1) {
    const read = await timeReads(agent, connections, size);
    const bareRead = await timeReads(bare, connections, size);
    if (round === 0) continue;
    seconds += read.seconds;
    bareSeconds += bareRead.seconds;
    latencies.push(...read.latencies);
    bareLatencies.push(...bareRead.latencies);
  }
  const [rate, bareRate] = [(ROUNDS * size) / seconds, (ROUNDS * size) / bareSeconds];
  const over = connections === 1 ? 'one connection' : `${connections} connections`;
  say(`${Math.round(rate)} reads/s over ${over}, ${Math.round(bareRate)} of the bare server`);
  return [
    atLeast(
      `reads over ${over}`,
      { value: rate, unit: '/s', yardstick: bareRate },
      GOALS.share * bareRate,
    ),
    atMost(
      `p99 over ${over}`,
      {
        value: percentile(latencies, 0.99),
        unit: 'ms',
        yardstick: percentile(bareLatencies, 0.99),
      },
      GOALS.p99,
    ),
  ];
}

async function timeReads(
  socket: string,
  connections: number,
  size: number,
): Promise<{ seconds: number; latencies: number[] }> {
  const clients = await Promise.all(
    Array.from({ length: connections }, () => SocketClient.open(socket, PATH)),
  );
  const latencies: number[] = [];
  let left = size;
  const startedAt = performance.now();
  await Promise.all(
    clients.map(async (client) => {
      while (left-- > 0) {
        const askedAt = performance.now();
        const { status } = await client.ask();
        if (status !== 200) throw new Error(`a read was answered ${status}`);
        latencies.push(performance.now() - askedAt);
      }
    }),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  for (const client of clients) client.close();
  return { seconds, latencies };
}

import { setTimeout as sleep } from 'node:timers/promises';
import { startInstallation } from './installation.ts';
import { bareSocket, LocalAgent, type Serving } from './local-agent.ts';
import { atMost, describeMachine, type BenchResult } from './result.ts';
import { SocketClient } from './socket-client.ts';

const STARTS = 5;
const CONNECTIONS = 32;
const READS = 50_000;
/** After which a process that is left alone is taken to be idle. */
const IDLE_MS = 10_000;
const PATH = '/v1/secrets/secret-0';
/** MiB and milliseconds. */
const GOALS = { idle: 70, loaded: 110, start: 400 };

/** What the agent needs: its memory, and the time to its first answer without a control plane. */
export async function footprint(size: number, say: (line: string) => void): Promise<BenchResult> {
  say('starting a control plane and an agent');
  const installation = await startInstallation();
  let local: LocalAgent;
  const write = (index: number) =>
    installation.call('PUT', `/groups/bench/secrets/secret-${index}`, {
      value: `value-${index}-${'x'.repeat(24)}`,
      offline: 'allow',
    });
  let idle: number;
  let filled: number;
  try {
    await installation.call('POST', '/groups', { name: 'bench' });
    await write(0);
    local = await LocalAgent.enrolled(installation, 'bench');
    const few = await local.run(PATH);
    await sleep(IDLE_MS);
    idle = await few.residentMiB();
    say(`writing ${size} secrets`);
    for (let index = 1; index < size; index += 1) await write(index);
    await answered(few, `/v1/secrets/secret-${size - 1}`);
    await sleep(IDLE_MS);
    filled = await few.residentMiB();
    await few.stop();
  } finally {
    await installation.stop();
  }
  const bare = await bareSocket(JSON.stringify({ value: 'x'.repeat(32) }));
  const bareIdle = await bare.residentMiB();
  const starts = await timeStarts(local);
  const offline = await local.run(PATH);
  await Promise.all([load(offline), load(bare)]);
  const [loaded, bareLoaded] = [await offline.residentMiB(), await bare.residentMiB()];
  await Promise.all([offline.stop(), bare.stop()]);
  await local.remove();
  const mib = (value: number, yardstick: number) => ({ value, unit: 'MiB', yardstick });
  return {
    benchmark: `the agent’s footprint, with ${size} secrets`,
    machine: describeMachine(),
    samples: STARTS,
    goals: [
      atMost('memory, idle with one secret', mib(idle, bareIdle), GOALS.idle),
      atMost(`memory, idle after ${size} were written`, mib(filled, bareIdle), GOALS.loaded),
      atMost('memory, under load', mib(loaded, bareLoaded), GOALS.loaded),
      atMost(
        'start to first secret, offline',
        { value: Math.min(...starts), unit: 'ms', yardstick: bare.startMs },
        GOALS.start,
      ),
    ],
  };
}

async function timeStarts(local: LocalAgent): Promise<number[]> {
  const starts: number[] = [];
  for (let start = 0; start < STARTS; start += 1) {
    const running = await local.run(PATH);
    starts.push(running.startMs);
    await running.stop();
  }
  return starts;
}

async function answered({ socket }: Serving, path: string): Promise<void> {
  const client = await SocketClient.open(socket, path);
  while ((await client.ask()).status !== 200) await sleep(50);
  client.close();
}

async function load({ socket }: Serving): Promise<void> {
  let left = READS;
  const reading = async () => {
    const client = await SocketClient.open(socket, PATH);
    while (left-- > 0) await client.ask();
    client.close();
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, reading));
}

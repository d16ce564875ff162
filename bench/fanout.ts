import { percentile } from './percentile.ts';
import { atMost, describeMachine, type BenchResult } from './result.ts';
import { timeChanges } from './rounds.ts';

const CHANGES = 10;
const CLIENT_PROCESSES = 2;
const GOAL_MS_PER_1000_AGENTS = 500;

/** How long one change takes to be applied by all of `size` waiting agents, over ten changes. */
export async function fanout(size: number, say: (line: string) => void): Promise<BenchResult> {
  const shape = { clients: size, processes: CLIENT_PROCESSES, changes: CHANGES };
  const { sallyport, bare } = await timeChanges(shape, say);
  const value = percentile(sallyport, 0.99);
  const yardstick = percentile(bare, 0.99);
  return {
    benchmark: `fanout to ${size} agents`,
    machine: describeMachine(),
    samples: sallyport.length,
    goals: [
      atMost(
        'change to applied, p99',
        { value, unit: 'ms', yardstick },
        GOAL_MS_PER_1000_AGENTS * Math.max(1, size / 1000),
      ),
      atMost(
        'p99 over the bare broadcast',
        { value: value / yardstick, unit: 'x', yardstick: 1 },
        3,
      ),
    ],
  };
}

import { percentile } from './percentile.ts';
import { atMost, describeMachine, type BenchResult } from './result.ts';
import { timeChanges } from './rounds.ts';

/** How long one waiting agent takes to apply a change, over `size` changes. */
export async function propagation(size: number, say: (line: string) => void): Promise<BenchResult> {
  const { sallyport, bare } = await timeChanges({ clients: 1, processes: 1, changes: size }, say);
  const at = (share: number) => ({
    value: percentile(sallyport, share),
    unit: 'ms',
    yardstick: percentile(bare, share),
  });
  return {
    benchmark: 'propagation',
    machine: describeMachine(),
    samples: sallyport.length,
    goals: [
      atMost('change to applied, p50', at(0.5), 15),
      atMost('change to applied, p99', at(0.99), 50),
    ],
  };
}

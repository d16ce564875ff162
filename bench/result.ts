import { cpus, totalmem } from 'node:os';

/** One goal of a benchmark: `yardstick` is what the bare thing reached in the same run, in the same unit. */
export type Goal = {
  name: string;
  value: number;
  unit: string;
  yardstick: number | null;
  goal: number;
  /** Whether a smaller or a greater value is the better one. */
  direction: 'atMost' | 'atLeast';
  met: boolean;
};

type Measured = { value: number; unit: string; yardstick?: number };

/** What a benchmark found; with `--json` this is the last line. */
export type BenchResult = {
  benchmark: string;
  machine: { cpu: string; cores: number; memoryGiB: number; node: string; platform: string };
  samples: number;
  goals: Goal[];
};

/** A goal that is met by a value no greater than `goal`. */
export function atMost(name: string, measured: Measured, goal: number): Goal {
  return goalOf(name, measured, { goal, direction: 'atMost', met: measured.value <= goal });
}

/** A goal that is met by a value no smaller than `goal`. */
export function atLeast(name: string, measured: Measured, goal: number): Goal {
  return goalOf(name, measured, { goal, direction: 'atLeast', met: measured.value >= goal });
}

function goalOf(
  name: string,
  { value, unit, yardstick }: Measured,
  judged: Pick<Goal, 'goal' | 'direction' | 'met'>,
): Goal {
  return {
    name,
    value: rounded(value),
    unit,
    yardstick: yardstick === undefined ? null : rounded(yardstick),
    ...judged,
  };
}

/** The machine that a result is worth something on. */
export function describeMachine(): BenchResult['machine'] {
  const [first] = cpus();
  return {
    cpu: first?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: rounded(totalmem() / 2 ** 30),
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
  };
}

/** A result as a table for people. */
export function tableOf({ benchmark, samples, goals }: BenchResult): string {
  const rows = goals.map(({ name, value, unit, yardstick, goal, direction, met }) => [
    name,
    `${value} ${unit}`,
    yardstick === null ? '' : `${yardstick} ${unit}`,
    `${direction === 'atMost' ? '<=' : '>='} ${goal} ${unit}`,
    met ? 'met' : 'MISSED',
  ]);
  const all = [['', 'measured', 'yardstick', 'goal', ''], ...rows];
  const widths = [0, 1, 2, 3, 4].map((column) =>
    Math.max(...all.map((row) => row[column]?.length ?? 0)),
  );
  const lines = all.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '),
  );
  return `${benchmark}, ${samples} samples\n${lines.map((line) => `  ${line.trimEnd()}`).join('\n')}\n`;
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

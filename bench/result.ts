import { cpus, totalmem } from 'node:os';

/** One goal of a benchmark: `yardstick` is what the bare thing reached in the same run, in the same unit. */
export type Goal = {
  name: string;
  value: number;
  unit: string;
  yardstick: number | null;
  goal: number;
  met: boolean;
};

/** What a benchmark found; with `--json` this is the last line. */
export type BenchResult = {
  benchmark: string;
  machine: { cpu: string; cores: number; memoryGiB: number; node: string; platform: string };
  samples: number;
  goals: Goal[];
};

/** A goal that is met by a value no greater than `goal`. */
export function atMost(
  name: string,
  measured: { value: number; unit: string; yardstick?: number },
  goal: number,
): Goal {
  const { value, unit, yardstick } = measured;
  return {
    name,
    value: rounded(value),
    unit,
    yardstick: yardstick === undefined ? null : rounded(yardstick),
    goal,
    met: value <= goal,
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
  const rows = goals.map(({ name, value, unit, yardstick, goal, met }) => [
    name,
    `${value} ${unit}`,
    yardstick === null ? '' : `${yardstick} ${unit}`,
    `<= ${goal} ${unit}`,
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

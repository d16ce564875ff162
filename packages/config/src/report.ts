import type { ConfigError } from './load.ts';

/** The exit status of a program whose configuration cannot be used. */
export const configErrorExitCode = 2;

/** Writes a headline and one problem per line; the program then exits with `configErrorExitCode`. */
export function reportConfigError(error: ConfigError, write: (text: string) => void): void {
  const { length } = error.problems;
  const count = length === 1 ? 'a problem' : `${length} problems`;
  write(`${error.programName}: the configuration has ${count}\n`);
  for (const problem of error.problems) write(`  ${problem}\n`);
}

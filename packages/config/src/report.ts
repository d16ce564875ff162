import type { ConfigError } from './load.ts';

/** The exit status of a program whose configuration cannot be used. */
export const configErrorExitCode = 2;

/** Writes one problem per line, in words. The caller then exits with `configErrorExitCode`. */
export function reportConfigError(error: ConfigError, write: (text: string) => void): void {
  for (const problem of error.problems) write(`${problem}\n`);
}

import type { ConfigError } from './load.ts';

/** The exit status of a program whose configuration cannot be used. */
export const configErrorExitCode = 2;

/** Writes a headline and one problem per line. The caller then exits with `configErrorExitCode`. */
export function reportConfigError(error: ConfigError, write: (text: string) => void): void {
  write(`${error.message}\n`);
}

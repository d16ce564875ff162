import type { Readable, Writable } from 'node:stream';

/** The streams of one run. */
export type Terminal = {
  stdin: Readable;
  stdout: Writable;
  stderr: Writable;
  /** A person types the input. */
  stdinIsTty: boolean;
  /** A person reads the output. */
  stdoutIsTty: boolean;
};

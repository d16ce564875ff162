export type ProcessOptions = { command: string[]; env?: Record<string, string>; cwd?: string };
export type ProcessExit = { code: number | null; signal: NodeJS.Signals | null };

export type TestProcess = {
  pid: number;
  /** Complete lines of standard output so far. */
  stdout: readonly string[];
  stderr: readonly string[];
  /** Everything written so far, both streams, for canary searches. */
  output(): string;
  /** The first line of either stream, past or future, that matches. */
  waitForLine(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  exited: Promise<ProcessExit>;
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, then SIGKILL when it does not end. */
  stop(): Promise<ProcessExit>;
};

export function startProcess(o: ProcessOptions): TestProcess {
  throw new Error(`not built yet: ${o.command.join(' ')}`);
}

/** For `afterAll`: rejects, and ends them, when processes of this file still run. */
export async function expectNoLeftovers(): Promise<void> {
  throw new Error('not built yet');
}

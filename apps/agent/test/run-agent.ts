import { execFile } from 'node:child_process';
import { Readable } from 'node:stream';
import { builtProgram } from '@sallyport/testkit/built-programs';
import { compileCache } from '@sallyport/testkit/process';
import { runProgram } from '../src/cli/program.ts';

/** `sallyport-agent` as a command: Node and the program, as it is shipped. */
export const agentCommand = [process.execPath, builtProgram('agent')] as const;

export type Outcome = { code: number; stdout: string; stderr: string };

/** `sallyport-agent …` in this process, for what no process boundary changes; `run` closes its process for good. */
export async function runAgent(
  args: readonly string[],
  given: { env?: Record<string, string>; stdin?: string } = {},
): Promise<Outcome> {
  if (args[0] === 'run') throw new Error('a process of its own is for this: runAgentProcess');
  const written = { stdout: '', stderr: '' };
  const code = await runProgram([...args], {
    env: given.env ?? {},
    hostname: 'web-1',
    stdin: Readable.from([given.stdin ?? '']),
    stdout: { write: (text) => (written.stdout += text.toString()) },
    stderr: { write: (text) => (written.stderr += text) },
  });
  return { code, ...written };
}

/** The same as a process of its own, with no other environment than PATH, Node's compile cache and the given one. */
export function runAgentProcess(
  args: readonly string[],
  given: Record<string, string>,
): Promise<Outcome> {
  const [node, main] = agentCommand;
  const env = { PATH: process.env['PATH'] ?? '', ...compileCache, ...given };
  return new Promise((resolve) => {
    execFile(node, [main, ...args], { env }, (error, stdout, stderr) => {
      // Killed by a signal, or not started, it has no code of its own.
      const code = typeof error?.code === 'number' ? error.code : 128;
      resolve({ code: error === null ? 0 : code, stdout, stderr });
    });
  });
}

import { randomUUID } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startProcess, type TestProcess } from '@sallyport/testkit/process';
import type { TempDirectory } from '@sallyport/testkit/temp';
import { askSocket } from './harness.ts';
import { agentCommand } from './run-agent.ts';

export type RunningDev = {
  [Symbol.asyncDispose](): Promise<void>;
  process: TestProcess;
  socket: string;
  /** Puts other values in the place of the file. */
  write(yaml: string): Promise<void>;
  json(path: string, body?: object): Promise<{ status: number; json: Record<string, unknown> }>;
};

/** A file of its own, in a directory that outlives it. */
export async function valuesFile(
  { path: directory }: TempDirectory,
  yaml: string,
): Promise<string> {
  const path = join(directory, `values-${randomUUID()}.yaml`);
  await writeFile(path, yaml);
  return path;
}

/** `sallyport-agent dev`, once it serves. */
export async function runningDev(home: TempDirectory, yaml: string): Promise<RunningDev> {
  const path = await valuesFile(home, yaml);
  const started = startProcess({
    command: [...agentCommand, 'dev', '--values', path],
    env: {
      HOME: home.path,
      API_KEY: 'from the environment',
      SALLYPORT_AGENT_REFERENCES_ENV_NAMES: 'API_KEY',
      SALLYPORT_AGENT_SOCKET: join(home.path, 'of-another-agent.sock'),
    },
  });
  const [, socket = ''] = await started.waitForLine(/^SALLYPORT_AGENT_SOCKET=(.*)$/);
  return {
    process: started,
    socket,
    write: async (text) => {
      await writeFile(`${path}.new`, text);
      await rename(`${path}.new`, path);
    },
    json: async (asked, body) => {
      const options = body && { method: 'POST', body: JSON.stringify(body) };
      const reply = await askSocket(socket, asked, options);
      return { status: reply.status, json: JSON.parse(reply.body) };
    },
    [Symbol.asyncDispose]: async () => void (await started.stop()),
  };
}

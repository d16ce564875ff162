import { randomUUID } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startProcess, type TestProcess } from '@sallyport/testkit/process';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { Issuer } from '@sallyport/tls/test/issuer';
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

/** A directory with a certificate that a values file may name, `web.pem`, and its key, `web.key`. */
export async function homeWithCertificate(name: string): Promise<TempDirectory> {
  const home = await createTempDirectory(name);
  const { key, chain } = await (await (await Issuer.root()).intermediate()).leaf();
  await writeFile(join(home.path, 'web.key'), key);
  await writeFile(join(home.path, 'web.pem'), chain);
  return home;
}

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

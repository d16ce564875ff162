import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '@sallyport/embedded-postgres/free-port';
import { stopSurvivor } from '@sallyport/embedded-postgres/stop-survivor';
import { startProcess, type TestProcess } from '@sallyport/testkit/process';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const START_TIMEOUT_MS = 30_000;

/** Where the demo plays: two "hosts", a folder each, and the processes on them. */
export type Scene = {
  folder: string;
  ownerPassword: string;
  operatorUrl: string;
  agentUrl: string;
  metricsUrl: string;
  controlPlaneFolder: string;
  agentFolder: string;
  socket: string;
  startControlPlane(): Promise<TestProcess>;
  /** Runs an agent command to its end. */
  agent(args: string[], input?: string): Promise<{ code: number | null; output: string }>;
  startAgent(): TestProcess;
  caCertificate(): Promise<string>;
  end(): Promise<void>;
};

export async function createScene(): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-demo-'));
  await chmod(folder, 0o711);
  const controlPlaneFolder = join(folder, 'control-plane');
  const agentFolder = join(folder, 'agent');
  await mkdir(controlPlaneFolder);
  const ownerPassword = randomBytes(18).toString('base64url');
  const passwordFile = join(folder, 'owner-password');
  await writeFile(passwordFile, ownerPassword, { mode: 0o600 });
  const [operatorPort, agentPort, metricsPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const socket = join(agentFolder, 'agent.sock');
  const started: TestProcess[] = [];

  const run = (
    program: 'control-plane' | 'agent',
    args: string[],
    env: Record<string, string>,
    input?: string,
  ) => {
    const main = join(root, 'apps', program, 'src', 'main.ts');
    const child = startProcess({
      command: [process.execPath, '--disable-warning=ExperimentalWarning', main, ...args],
      cwd: folder,
      env: { HOME: folder, ...env },
      ...(input === undefined ? {} : { input }),
    });
    started.push(child);
    return child;
  };
  const agentEnvironment = {
    SALLYPORT_AGENT_STATE_DIR: agentFolder,
    SALLYPORT_AGENT_SOCKET: socket,
  };

  return {
    folder,
    ownerPassword,
    operatorUrl: `https://127.0.0.1:${operatorPort}`,
    agentUrl: `https://127.0.0.1:${agentPort}`,
    metricsUrl: `http://127.0.0.1:${metricsPort}/metrics`,
    controlPlaneFolder,
    agentFolder,
    socket,
    async startControlPlane() {
      const child = run('control-plane', [], {
        SALLYPORT_DATA_DIR: controlPlaneFolder,
        SALLYPORT_OPERATOR_API_PORT: String(operatorPort),
        SALLYPORT_AGENT_API_PORT: String(agentPort),
        SALLYPORT_METRICS_PORT: String(metricsPort),
        SALLYPORT_OWNER_PASSWORD_FILE: passwordFile,
      });
      await child.waitForLine(/Sallyport is running\./, START_TIMEOUT_MS);
      return child;
    },
    async agent(args, input) {
      const child = run('agent', args, agentEnvironment, input);
      const { code } = await child.exited;
      return { code, output: child.output() };
    },
    startAgent: () => run('agent', ['run'], agentEnvironment),
    caCertificate: () => readFile(join(controlPlaneFolder, 'ca.pem'), 'utf8'),
    async end() {
      await Promise.all(started.map((child) => child.stop()));
      // After a failure the database may have outlived a control plane that was killed.
      await stopSurvivor(join(controlPlaneFolder, 'postgres'));
    },
  };
}

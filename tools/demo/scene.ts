import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stopSurvivor } from '@sallyport/embedded-postgres/stop-survivor';
import { startProcess, type TestProcess } from '@sallyport/testkit/process';
import { unusedPort } from '@sallyport/testkit/unused-port';
import { DemoFailure } from './narrator.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const START_TIMEOUT_MS = 30_000;

/** Where the demo plays: in a folder of its own, two "hosts", a folder each, and the processes on them. */
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
  /** Ends what runs, lets nothing more be started, and removes the folder. */
  end(): Promise<void>;
};

export async function createScene(): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-demo-'));
  try {
    return await setScene(folder);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function setScene(folder: string): Promise<Scene> {
  await chmod(folder, 0o711);
  const controlPlaneFolder = join(folder, 'control-plane');
  const agentFolder = join(folder, 'agent');
  await mkdir(controlPlaneFolder);
  const ownerPassword = randomBytes(18).toString('base64url');
  const passwordFile = join(folder, 'owner-password');
  await writeFile(passwordFile, ownerPassword, { mode: 0o600 });
  const [operatorPort, agentPort, metricsPort] = [
    await unusedPort(),
    await unusedPort(),
    await unusedPort(),
  ];
  const socket = join(agentFolder, 'agent.sock');
  const started: TestProcess[] = [];
  let starting: Promise<unknown> = Promise.resolve();
  let over = false;

  const run = (
    program: 'control-plane' | 'agent',
    args: string[],
    env: Record<string, string>,
    input?: string,
  ) => {
    if (over) throw new DemoFailure('the scene is over');
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
      const running = child.waitForLine(/Sallyport is running\./, START_TIMEOUT_MS);
      starting = running.catch(() => {});
      await running;
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
      over = true;
      // One that is killed while it starts leaves a database behind that is not there yet.
      await starting;
      await Promise.all(started.map((child) => child.stop()));
      // After a failure the database may have outlived a control plane that was killed.
      await stopSurvivor(join(controlPlaneFolder, 'postgres'));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

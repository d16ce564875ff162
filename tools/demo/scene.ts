import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { DemoFailure } from './narrator.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const START_TIMEOUT_MS = 30_000;

/** Where the demo plays: two "hosts", a folder each, and the processes on them. */
export type Scene = {
  folder: string;
  ownerPassword: string;
  operatorUrl: string;
  agentUrl: string;
  controlPlaneFolder: string;
  agentFolder: string;
  socket: string;
  startControlPlane(): Promise<ChildProcess>;
  /** Runs an agent command to its end. */
  agent(args: string[], input?: string): Promise<{ code: number; output: string }>;
  startAgent(): Promise<ChildProcess>;
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
  const running = new Set<ChildProcess>();

  const run = (program: 'control-plane' | 'agent', args: string[], env: Record<string, string>) => {
    const main = join(root, 'apps', program, 'src', 'main.ts');
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', main, ...args],
      {
        cwd: folder,
        env: { PATH: process.env['PATH'] ?? '', HOME: folder, ...env },
        stdio: ['pipe', 'pipe', 'pipe'],
      },
    );
    running.add(child);
    child.once('exit', () => running.delete(child));
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
      await lineOf(child, 'Sallyport is running.');
      return child;
    },
    async agent(args, input) {
      const child = run('agent', args, agentEnvironment);
      let output = '';
      child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
      child.stdin.end(input ?? '');
      const [code] = await once(child, 'close');
      return { code: Number(code), output };
    },
    async startAgent() {
      const child = run('agent', ['run'], agentEnvironment);
      child.stdout.resume();
      child.stderr.resume();
      return child;
    },
    caCertificate: () => readFile(join(controlPlaneFolder, 'ca.pem'), 'utf8'),
    async end() {
      for (const child of running) child.kill('SIGTERM');
      await Promise.all([...running].map((child) => once(child, 'exit')));
    },
  };
}

async function lineOf(child: ChildProcess, text: string): Promise<void> {
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2_000)));
  const { stdout } = child;
  if (stdout === null) throw new DemoFailure('the process has no output');
  const timeout = AbortSignal.timeout(START_TIMEOUT_MS);
  const seen = new Promise<void>((resolve, reject) => {
    createInterface({ input: stdout }).on('line', (line) => {
      if (line.includes(text)) resolve();
    });
    child.once('exit', () => reject(new DemoFailure(`the control plane did not start:\n${said}`)));
    timeout.addEventListener('abort', () =>
      reject(new DemoFailure(`the control plane did not start in time:\n${said}`)),
    );
  });
  await seen;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string')
    throw new DemoFailure('no free port was given');
  return address.port;
}

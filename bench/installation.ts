import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { session } from '@sallyport/contract';
import { freePort } from '@sallyport/embedded-postgres/free-port';
import { startProcess } from '@sallyport/testkit/process';
import { HttpsLink } from '@sallyport/tls/https-link';
import { z } from 'zod';

const CONTROL_PLANE = fileURLToPath(new URL('../apps/control-plane/src/main.ts', import.meta.url));
const START_TIMEOUT_MS = 60_000;

/** A control plane as `npm start` runs it: a process of its own, its embedded Postgres, TLS on both listeners. */
export type Installation = {
  pid: number;
  agentUrl: string;
  caCertificate: string;
  /** One call of the operator API, signed in; rejects unless it succeeds. */
  call(method: string, path: string, json?: unknown): Promise<unknown>;
  /** The value of one metric, as Prometheus would read it. */
  metric(name: string): Promise<number>;
  stop(): Promise<void>;
};

export async function startInstallation(): Promise<Installation> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
  // The database runs as a user of its own when the benchmark runs as root.
  await chmod(folder, 0o711);
  const passwordFile = join(folder, 'owner-password');
  const password = randomBytes(18).toString('base64url');
  await writeFile(passwordFile, password, { mode: 0o600 });
  const [operatorPort, agentPort, metricsPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const profile = process.env['SALLYPORT_BENCH_PROFILE_DIR'];
  const flags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const controlPlane = startProcess({
    command: [process.execPath, ...flags, '--disable-warning=ExperimentalWarning', CONTROL_PLANE],
    cwd: folder,
    env: {
      HOME: folder,
      SALLYPORT_DATA_DIR: folder,
      SALLYPORT_OPERATOR_API_PORT: String(operatorPort),
      SALLYPORT_AGENT_API_PORT: String(agentPort),
      SALLYPORT_METRICS_PORT: String(metricsPort),
      SALLYPORT_OWNER_PASSWORD_FILE: passwordFile,
    },
  });
  await controlPlane.waitForLine(/Sallyport is running\./, START_TIMEOUT_MS);
  const caCertificate = await readFile(join(folder, 'ca.pem'), 'utf8');
  const operator = await signIn(`https://127.0.0.1:${operatorPort}`, caCertificate, password);
  return {
    pid: controlPlane.pid,
    agentUrl: `https://127.0.0.1:${agentPort}`,
    caCertificate,
    call: operator.call,
    metric: (name) => readMetric(metricsPort, name),
    stop: async () => {
      operator.close();
      const { code } = await controlPlane.stop();
      if (code !== 0) throw new Error(`the control plane ended with ${code}`);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function signIn(baseUrl: string, ca: string, password: string) {
  const link = new HttpsLink({ baseUrl, ca });
  const ask = async (
    method: string,
    path: string,
    json: unknown,
    headers: Record<string, string>,
  ) => {
    const reply = await link.request(method, `/api/v1${path}`, {
      headers,
      ...(json === undefined ? {} : { json }),
    });
    const text = reply.body.toString('utf8');
    if (reply.status >= 300) throw new Error(`${method} ${path} was answered ${reply.status}`);
    const parsed: unknown = text === '' ? undefined : JSON.parse(text);
    return parsed;
  };
  const { token } = session.parse(await ask('POST', '/sessions', { name: 'owner', password }, {}));
  return {
    call: (method: string, path: string, json?: unknown) =>
      ask(method, path, json, { authorization: `Bearer ${token}` }),
    close: () => link.close(),
  };
}

async function readMetric(port: number, name: string): Promise<number> {
  const reply = await fetch(`http://127.0.0.1:${port}/metrics`);
  const line = (await reply.text()).split('\n').find((text) => text.startsWith(`${name} `));
  return z.coerce.number().parse(line?.split(' ')[1]);
}

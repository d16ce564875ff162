import { once } from 'node:events';
import {
  request,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from '@sallyport/config/load';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { HttpsLink } from '@sallyport/tls/https-link';
import { systemClock } from '../src/clock.ts';
import { readAgentConfig, type AgentConfig } from '../src/config.ts';
import { runDaemon } from '../src/daemon.ts';
import { enroll } from '../src/link/enroll.ts';
import { health, type Health } from '../src/local-api/health.ts';
import type { Log, LogFields } from '../src/log.ts';
import type { StoredIdentity } from '../src/state/identity.ts';
import { StateDirectory } from '../src/state/state-directory.ts';
import type { ControlPlaneDouble } from './control-plane-double.ts';

/** Looks again until `look` gives something, or fails after `withinMs`. */
export async function until<Value>(
  look: () => Promise<Value | undefined | false> | Value | undefined | false,
  withinMs = 10_000,
): Promise<Value> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const value = await look();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`gave up waiting for: ${look.toString()}`);
    await sleep(5);
  }
}

/** An agent that has just been enrolled with the double, in a directory of its own. */
export type Enrolled = {
  home: TempDirectory;
  stateDir: string;
  socket: string;
  identity: StoredIdentity;
};

export async function enrollWith(double: ControlPlaneDouble, name = 'web-1'): Promise<Enrolled> {
  const home = await createTempDirectory('agent');
  const stateDir = join(home.path, 'state');
  using state = await StateDirectory.open(stateDir);
  const link = new HttpsLink({ baseUrl: double.url, ca: double.ca });
  const identity = await enroll({
    state,
    link,
    controlPlane: double.url,
    trustAnchor: double.ca,
    certified: false,
    token: double.mintToken(),
    name,
    force: false,
    clock: systemClock,
  });
  link.close();
  return { home, stateDir, socket: join(home.path, 'agent.sock'), identity };
}

export type LogLine = LogFields & { level: string; message: string };

export type LocalReply = { status: number; headers: IncomingHttpHeaders; body: string };

/** The daemon, in this process. */
export type TestDaemon = AsyncDisposable & {
  log: LogLine[];
  ask(path: string, options?: AskOptions): Promise<LocalReply>;
  health(): Promise<Health>;
  /** The value that the socket serves, undefined while it serves none. */
  secret(name: string): Promise<string | undefined>;
  untilSecret(name: string, value: string, withinMs?: number): Promise<void>;
  untilHealth(holds: (health: Health) => boolean): Promise<Health>;
  stop(): Promise<void>;
};

/** What it takes is that of all tests in this process. */
export const ROOMY = { maxMemoryMiB: 1_000_000, maxCpuPercent: 10_000, minFreeDiskMiB: 0 };

/** Starts the daemon, and resolves once its socket answers. */
export async function startDaemon({
  stateDir,
  socket,
  env = {},
  ...settings
}: Pick<Enrolled, 'stateDir' | 'socket'> & { env?: Environment } & Partial<
    Pick<
      AgentConfig,
      | 'authentication'
      | 'certificateFiles'
      | 'controlPlane'
      | 'freshness'
      | 'listen'
      | 'localApi'
      | 'maxStaleSeconds'
      | 'proxy'
      | 'references'
      | 'resources'
      | 'tokenFile'
      | 'tokenReference'
    >
  >): Promise<TestDaemon> {
  const log: LogLine[] = [];
  const { promise: listening, resolve: markListening } = Promise.withResolvers<void>();
  const record = recordTo(log, ({ message }) => message === 'listening' && markListening());
  const stopping = new AbortController();
  const { config: defaults } = readAgentConfig({ stateDir, socket }, {});
  const config: AgentConfig = {
    ...defaults,
    resources: ROOMY,
    log: { level: 'debug' },
    ...settings,
  };
  const running = runDaemon(config, { log: record, env, signal: stopping.signal });
  const ask: TestDaemon['ask'] = (path, options) => askSocket(socket, path, options);
  const stop = async () => {
    stopping.abort();
    await running;
  };
  await Promise.race([running, listening]);
  const readHealth = async () => health.parse(JSON.parse((await ask('/healthz')).body));
  const secret = async (name: string) => {
    const { status, body } = await ask(`/v1/secrets/${name}`);
    return status === 200 ? String(JSON.parse(body).value) : undefined;
  };
  return {
    log,
    ask,
    health: readHealth,
    secret,
    untilSecret: async (name, value, withinMs) =>
      void (await until(async () => (await secret(name)) === value, withinMs)),
    untilHealth: (holds) =>
      until(async () => {
        const report = await readHealth();
        return holds(report) && report;
      }),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

export type AskOptions = { method?: string; headers?: Record<string, string>; body?: string };

export async function askSocket(
  socketPath: string,
  path: string,
  { method = 'GET', headers = {}, body }: AskOptions = {},
): Promise<LocalReply> {
  const sent = request({ socketPath, path, method, headers, agent: false });
  if (body !== undefined) sent.write(body);
  return replyTo(sent);
}

/** Ends a request, and reads the whole reply. */
export async function replyTo(sent: ClientRequest): Promise<LocalReply> {
  const response = await responseTo(sent);
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: await text(response),
  };
}

export async function responseTo(sent: ClientRequest): Promise<IncomingMessage> {
  sent.end();
  const [response]: IncomingMessage[] = await once(sent, 'response');
  if (response === undefined) throw new Error('no response');
  return response;
}

function recordTo(lines: LogLine[], onLine: (line: LogLine) => void): Log {
  const at = (level: string) => (fields: LogFields, message: string) => {
    const line = { ...fields, level, message };
    lines.push(line);
    onLine(line);
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

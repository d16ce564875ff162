import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, URL } from 'node:url';
import { promisify } from 'node:util';
import { createdEnrollmentToken } from '@sallyport/contract';
import { startProcess, type TestProcess } from '@sallyport/testkit/process';
import type { Installation } from './installation.ts';
import { SocketClient } from './socket-client.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** A process that serves a unix socket. */
export type Serving = {
  socket: string;
  /** From its start to its first answer. */
  startMs: number;
  residentMiB(): Promise<number>;
  stop(): Promise<void>;
};

/** The agent as it is shipped, one file, on a "host" of its own. */
export class LocalAgent {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Builds it, and enrols it in `group`. */
  static async enrolled(
    { call, agentUrl, dataDir }: Installation,
    group: string,
  ): Promise<LocalAgent> {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
    await promisify(execFile)(process.execPath, [
      here('../tools/build.ts'),
      '--into',
      folder,
      'agent',
    ]);
    const created = await call('POST', `/groups/${group}/enrollment-tokens`, {});
    const agent = new LocalAgent(folder);
    const ca = join(dataDir, 'ca.pem');
    const args = ['enroll', '--url', agentUrl, '--ca-file', ca, '--token-file', '-'];
    const { code } = await agent.#start(args, createdEnrollmentToken.parse(created).token).exited;
    if (code !== 0) throw new Error(`the enrolment exited ${code}`);
    return agent;
  }

  /** Runs it; resolves once it answers this path with 200. */
  async run(path: string): Promise<Serving> {
    const startedAt = performance.now();
    const child = this.#start(['run']);
    return served(child, join(this.#folder, 'state/agent.sock'), { path, startedAt });
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true });
  }

  #start(args: string[], input?: string): TestProcess {
    return startProcess({
      command: [process.execPath, join(this.#folder, 'sallyport-agent.mjs'), ...args],
      cwd: this.#folder,
      env: { SALLYPORT_AGENT_STATE_DIR: join(this.#folder, 'state') },
      ...(input === undefined ? {} : { input }),
    });
  }
}

/** Node's own server, in plain JavaScript: what strips types would count as memory of the server. */
const BARE = `
const [path, payload] = process.argv.slice(1);
const body = Buffer.from(payload);
const headers = { 'content-type': 'application/json', 'content-length': body.byteLength };
require('node:http')
  .createServer((_request, response) => response.writeHead(200, headers).end(body))
  .listen(path);
`;

/** The yardstick, which answers everything with these bytes. */
export async function bareSocket(payload: string): Promise<Serving> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-bare-'));
  const socket = join(folder, 'bare.sock');
  const startedAt = performance.now();
  const child = startProcess({
    command: [process.execPath, '--eval', BARE, socket, payload],
    cwd: folder,
    env: {},
  });
  const { stop, ...serving } = await served(child, socket, { path: '/', startedAt });
  return {
    ...serving,
    stop: async () => {
      await stop();
      await rm(folder, { recursive: true });
    },
  };
}

async function served(
  child: TestProcess,
  socket: string,
  { path, startedAt }: { path: string; startedAt: number },
): Promise<Serving> {
  let startMs: number | undefined;
  while (startMs === undefined) {
    if ((await statusOf(socket, path)) === 200) startMs = performance.now() - startedAt;
    else await sleep(1);
  }
  return {
    socket,
    startMs,
    residentMiB: () => residentMiB(child.pid),
    stop: async () => void (await child.stop()),
  };
}

async function statusOf(socket: string, path: string): Promise<number | undefined> {
  try {
    const client = await SocketClient.open(socket, path);
    const { status } = await client.ask();
    client.close();
    return status;
  } catch {
    // It does not listen yet.
    return undefined;
  }
}

async function residentMiB(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

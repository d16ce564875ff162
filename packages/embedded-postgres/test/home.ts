import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import pg from 'pg';
import type { ServerLog } from '../src/server-control.ts';
import { startEmbeddedPostgres } from '../src/start.ts';
import type { EmbeddedPostgres, EmbeddedPostgresOptions } from '../src/start.ts';

const ownerProgram = join(import.meta.dirname, 'owner.ts');

export const asRoot = process.getuid?.() === 0;
export const canary = 'canary-3f1c9b2e';

/** A folder for one embedded server, and those that use it: servers of this process and other owners. */
export type Home = Awaited<ReturnType<typeof createHome>>;

export async function createHome() {
  const home = await realpath(await mkdtemp(join(tmpdir(), 'sallyport-embedded-')));
  await chmod(home, 0o711);
  const directory = join(home, 'postgres');
  const servers: EmbeddedPostgres[] = [];
  const owners: ChildProcess[] = [];
  const messages: string[] = [];
  const errors: string[] = [];
  const expected = new Map<string, () => void>();
  const log: ServerLog = (message, level) => {
    messages.push(message);
    if (level === 'error') errors.push(message);
    expected.get(message)?.();
  };
  const endAll = async () => {
    for (const owner of owners.splice(0)) owner.kill('SIGKILL');
    for (const server of servers.splice(0)) await server.stop();
  };

  return {
    home,
    directory,
    messages,
    errors,
    endAll,
    start: async (options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> => {
      const defaults = { directory, database: 'sallyport', log, fsync: false };
      const server = await startEmbeddedPostgres({ ...defaults, ...options });
      servers.push(server);
      return server;
    },
    spawnOwner: (): ChildProcess => {
      const env = { ...process.env, SALLYPORT_CANARY: canary };
      const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe'];
      const owner = spawn(process.execPath, [ownerProgram, directory], { env, stdio });
      owners.push(owner);
      return owner;
    },
    logged: (message: string) => new Promise<void>((resolve) => expected.set(message, resolve)),
    postmasterPid: async () =>
      Number.parseInt(await readFile(join(directory, 'data', 'postmaster.pid'), 'utf8'), 10),
    isRunning: async () => (await readdir(join(directory, 'data'))).includes('postmaster.pid'),
    remove: async () => {
      await endAll();
      await rm(home, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

export async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows.flat();
  } finally {
    await client.end();
  }
}

/** What an owner says once its server runs. */
export async function announced(owner: ChildProcess): Promise<{ url: string; adopted: boolean }> {
  if (owner.stdout === null) throw new Error('the output is not piped');
  const [line] = await once(createInterface(owner.stdout), 'line');
  return JSON.parse(String(line));
}

export async function allLines(stream: Readable | null | undefined): Promise<string[]> {
  return stream ? (await text(stream)).trim().split('\n') : [];
}

export async function kill(owner: ChildProcess): Promise<void> {
  owner.kill('SIGKILL');
  await once(owner, 'exit');
}

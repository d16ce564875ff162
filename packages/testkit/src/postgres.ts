import { chmod, mkdtemp, readdir, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '@sallyport/embedded-postgres/start';
import { stopSurvivor } from '@sallyport/embedded-postgres/stop-survivor';
import { containerEngineAnswers } from './container-engine.ts';

export type TestPostgres = {
  /** A superuser's URL of the maintenance database. */
  adminUrl: string;
  source: 'supplied' | 'container' | 'embedded';
  stop(): Promise<void>;
};

const IMAGE = 'postgres:17';
const CONTAINER_START_MS = 60_000;
const FOLDER_PREFIX = 'sallyport-postgres-';
const IN_MEMORY = '/dev/shm';
const ROOM_BYTES = 4 * 1024 ** 3;
const FAST = ['fsync=off', 'full_page_writes=off', 'synchronous_commit=off', 'max_connections=300'];

/**
 * Real Postgres for tests: `TEST_DATABASE_URL`, else a container where an engine answers, else the
 * embedded one. Says so when a container was to be had and could not be started.
 */
export async function startTestPostgres(): Promise<TestPostgres> {
  const supplied = process.env['TEST_DATABASE_URL'];
  if (supplied !== undefined) {
    return { adminUrl: supplied, source: 'supplied', stop: async () => {} };
  }
  if (await containerEngineAnswers()) {
    try {
      return await startInContainer();
    } catch (cause) {
      const reason = Error.isError(cause) ? cause.message : String(cause);
      process.stdout.write(`\nNo ${IMAGE} in a container (${reason}); using the embedded one\n`);
    }
  }
  return startEmbedded();
}

async function startInContainer(): Promise<TestPostgres> {
  // Loaded only here: it takes half a second.
  const { GenericContainer, Wait } = await import('testcontainers');
  const password = crypto.randomUUID();
  const container = await new GenericContainer(IMAGE)
    .withEnvironment({ POSTGRES_PASSWORD: password })
    .withCommand(['postgres', ...settings()])
    .withExposedPorts(5432)
    .withWaitStrategy(Wait.forLogMessage(/database system is ready to accept connections/, 2))
    .withStartupTimeout(CONTAINER_START_MS)
    .start();
  const address = `${container.getHost()}:${container.getMappedPort(5432)}`;
  return {
    adminUrl: `postgresql://postgres:${password}@${address}/postgres`,
    source: 'container',
    stop: async () => {
      await container.stop();
    },
  };
}

async function startEmbedded(): Promise<TestPostgres> {
  await sweepLeftovers();
  const folder = await mkdtemp(join(await fastestFolder(), `${FOLDER_PREFIX}${process.pid}-`));
  // The server runs as a user of its own when the tests run as root.
  await chmod(folder, 0o711);
  const server = await startEmbeddedPostgres({
    directory: join(folder, 'server'),
    database: 'admin',
    fsync: false,
    flags: settings(),
  });
  return {
    adminUrl: server.url,
    source: 'embedded',
    stop: async () => {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** In memory where there is room, unless another folder is asked for: creating and removing the files of a database for each test file is a tenth of the run. */
async function fastestFolder(): Promise<string> {
  if (process.env['TMPDIR'] !== undefined) return tmpdir();
  const { bavail, bsize } = await statfs(IN_MEMORY).catch(() => ({ bavail: 0, bsize: 0 }));
  return bavail * bsize >= ROOM_BYTES ? IN_MEMORY : tmpdir();
}

/** Ends servers of runs that were killed: the embedded server is made to outlive its owner. */
async function sweepLeftovers(): Promise<void> {
  for (const parent of new Set([tmpdir(), await fastestFolder()])) {
    const names = (await readdir(parent)).filter((name) => name.startsWith(FOLDER_PREFIX));
    for (const name of names) {
      if (isRunning(Number.parseInt(name.slice(FOLDER_PREFIX.length), 10))) continue;
      // What another user's run has left behind is not ours to remove.
      await sweep(join(parent, name)).catch(() => {});
    }
  }
}

async function sweep(folder: string): Promise<void> {
  await stopSurvivor(join(folder, 'server'));
  await rm(folder, { recursive: true, force: true });
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (cause) {
    return Error.isError(cause) && 'code' in cause && cause.code === 'EPERM';
  }
}

function settings(): string[] {
  return FAST.flatMap((setting) => ['-c', setting]);
}

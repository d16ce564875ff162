import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '@sallyport/embedded-postgres/start';

export type TestPostgres = {
  /** A superuser's URL of the maintenance database. */
  adminUrl: string;
  source: 'supplied' | 'container' | 'embedded';
  stop(): Promise<void>;
};

const ENGINE_PROBE_MS = 300;

/** Real Postgres for tests: `TEST_DATABASE_URL`, else a container where an engine answers, else the embedded one. */
export async function startTestPostgres(): Promise<TestPostgres> {
  const supplied = process.env['TEST_DATABASE_URL'];
  if (supplied !== undefined)
    return { adminUrl: supplied, source: 'supplied', stop: async () => {} };
  return (await engineAnswers()) ? startInContainer() : startEmbedded();
}

async function startInContainer(): Promise<TestPostgres> {
  const { GenericContainer, Wait } = await import('testcontainers');
  const password = crypto.randomUUID();
  const container = await new GenericContainer('postgres:17')
    .withEnvironment({ POSTGRES_PASSWORD: password })
    .withExposedPorts(5432)
    .withWaitStrategy(Wait.forLogMessage(/database system is ready to accept connections/, 2))
    .start();
  return {
    adminUrl: `postgresql://postgres:${password}@${container.getHost()}:${container.getMappedPort(5432)}/postgres`,
    source: 'container',
    stop: async () => void (await container.stop()),
  };
}

async function startEmbedded(): Promise<TestPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-test-'));
  await chmod(folder, 0o711);
  const flags = ['-c', 'max_connections=300', '-c', 'shared_buffers=64MB'];
  const server = await startEmbeddedPostgres({
    directory: join(folder, 'postgres'),
    database: 'admin',
    fsync: false,
    flags,
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

/** Whether a container engine listens where the Docker client would look; never waits long. */
async function engineAnswers(): Promise<boolean> {
  const host = process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock';
  if (!host.startsWith('unix://')) return true;
  return new Promise((resolve) => {
    const socket = connect(host.slice('unix://'.length));
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(ENGINE_PROBE_MS, () => settle(false));
    socket.once('connect', () => settle(true)).once('error', () => settle(false));
  });
}

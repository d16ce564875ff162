import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { tlsOptions, type TlsPolicy } from '@sallyport/tls/policy';
import {
  createPostgresBackend,
  createRedisBackend,
  isPgPool,
  Queue,
  Worker,
  type BackendFactory,
  type ConnectionOptions,
  type IQueueBackend,
  type JobProgress,
  type PostgresConnectionOptions,
  type QueueOptions,
} from 'bullmq';
import { Redis } from 'ioredis';
import pg from 'pg';
import { admitToSchema, asApplication } from './application-role.ts';
import type { Log } from './log.ts';
import { notReached, REDIS } from './not-reached.ts';

/** Where the job queue lives. `prefix` keeps installations that share a Redis apart. */
export type QueueBackendOptions = {
  database: pg.ClientConfig;
  /** As the login that may make BullMQ's schema; by default the same. */
  owner?: pg.ClientConfig | undefined;
  redis?: { url: string; tls: TlsPolicy } | undefined;
  prefix?: string | undefined;
};

const SCHEMA = 'bullmq';
const POOL_SIZE = 5;
const COMMAND_TIMEOUT_MS = 5_000;
/** Kept per queue in its event stream; nobody reads more. */
const MAX_EVENTS = 100;
/** How long a worker waits after a refusal. */
const REFUSED_PAUSE_MS = 1_000;
/** Names what queues share in place of a queue; no job is ever put under it. */
const SHARED = 'shared';

type Connection = ConnectionOptions | PostgresConnectionOptions;
export type JobQueue = Queue<
  unknown,
  unknown,
  string,
  unknown,
  unknown,
  string,
  IQueueBackend,
  Connection
>;
export type JobWorker = Worker<unknown, unknown, string, IQueueBackend, JobProgress, Connection>;

/** BullMQ asks again at once, and for ever, where the database refuses, as one that is read-only does. */
class PatientWorker extends Worker<
  unknown,
  unknown,
  string,
  IQueueBackend,
  JobProgress,
  Connection
> {
  protected override async moveToActive(token: string, name?: string) {
    try {
      return await super.moveToActive(token, name);
    } catch (error) {
      await pause(REFUSED_PAUSE_MS);
      throw error;
    }
  }
}

/** What queues have in common. The last three are a worker's, for queues that are claimed from without one. */
export type QueueSettings = Omit<QueueOptions, 'connection'> & {
  lockDuration?: number;
  maxStalledCount?: number;
  stalledInterval?: number;
};

/**
 * BullMQ on Redis when there is one, on Postgres otherwise. Every queue shares one connection (or pool);
 * only a worker, which blocks, has one of its own.
 */
export interface QueueBackend {
  /** Opens queues by name. One that is not needed any more is dropped: it holds nothing, and nothing holds it. */
  queues(settings: QueueSettings): Promise<(name: string) => JobQueue>;
  worker(name: string, process: (jobName: string) => Promise<void>): Promise<JobWorker>;
  close(): Promise<void>;
}

/** Connects the queue's back end; on Postgres it also makes BullMQ's own schema. */
export async function openQueueBackend(
  options: QueueBackendOptions,
  log: Log,
): Promise<QueueBackend> {
  return options.redis === undefined
    ? openOnPostgres(options, log)
    : openOnRedis(options.redis, options, log);
}

async function openOnRedis(
  { url, tls }: { url: string; tls: TlsPolicy },
  { prefix = 'sallyport' }: QueueBackendOptions,
  log: Log,
): Promise<QueueBackend> {
  // A request must not wait for Redis to come back; a worker may, and has to.
  const security = url.startsWith('rediss://') ? { tls: tlsOptions(tls) } : {};
  const connection = new Redis(url, {
    ...security,
    maxRetriesPerRequest: null,
    enableOfflineQueue: false,
    commandTimeout: COMMAND_TIMEOUT_MS,
  });
  const workers = new Redis(url, { ...security, maxRetriesPerRequest: null });
  for (const redis of [connection, workers])
    redis.on('error', (error: Error) =>
      log.warn({ err: error }, 'Redis cannot be reached; trying again'),
    );
  try {
    await once(connection, 'ready');
    // What the driver and BullMQ ask first, and the driver goes on without.
    await connection.info('server');
  } catch (cause) {
    connection.disconnect();
    workers.disconnect();
    throw notReached(cause, REDIS);
  }
  return {
    queues: (settings) => {
      const streams = { events: { maxLen: MAX_EVENTS } };
      const options = { streams, ...settings, connection, prefix };
      return queuesOver(createRedisBackend(SHARED, options), options);
    },
    worker: async (name, process) =>
      new PatientWorker(name, (job) => process(job.name), { connection: workers, prefix }),
    close: async () => {
      connection.disconnect();
      workers.disconnect();
    },
  };
}

/** BullMQ has its own word for the same, which knows no key that is there and undefined. */
function poolConfigOf(connection: pg.ClientConfig): Exclude<PostgresConnectionOptions, string> {
  return Object.fromEntries(Object.entries(connection));
}

async function openOnPostgres(
  { database, owner = database }: QueueBackendOptions,
  log: Log,
): Promise<QueueBackend> {
  const setUp = new Queue(
    'set-up',
    { connection: { ...poolConfigOf(owner), schema: SCHEMA, migrate: true, max: 1 } },
    createPostgresBackend,
  );
  await setUp.waitUntilReady();
  await setUp.close();
  await admitToSchema(owner, SCHEMA);
  // No statement of BullMQ takes long: a worker waits for jobs between statements.
  const timeouts = {
    connectionTimeoutMillis: COMMAND_TIMEOUT_MS,
    query_timeout: COMMAND_TIMEOUT_MS,
  };
  const pool: unknown = new pg.Pool({
    max: POOL_SIZE,
    ...timeouts,
    ...asApplication(database, `-c search_path=${SCHEMA}`),
  });
  if (!isPgPool(pool)) throw new TypeError('this version of pg has no pool that BullMQ can use');
  pool.on('error', (error) => log.warn({ err: error }, 'the queue lost a database connection'));
  const worker = {
    schema: SCHEMA,
    max: 2,
    ...timeouts,
    ...poolConfigOf(asApplication(database)),
  };
  // BullMQ's types tie a queue to one kind of connection; the factory is where the kind is known.
  const onOwn: BackendFactory<IQueueBackend, Connection> = (name, opts, extra) =>
    createPostgresBackend(name, { ...opts, connection: worker }, extra);
  return {
    queues: (settings) => {
      const options = { ...settings, connection: pool };
      return queuesOver(createPostgresBackend(SHARED, options), options);
    },
    worker: async (name, process) => {
      const options = { connection: worker, autorun: false };
      return begun(new PatientWorker(name, (job) => process(job.name), options, onOwn));
    },
    close: async () => pool.end(),
  };
}

/** BullMQ keeps a failure to get ready for good, and asks again without a pause: nothing else in the process would go on. */
async function begun(worker: JobWorker): Promise<JobWorker> {
  worker.on('error', () => {});
  try {
    await worker.waitUntilReady();
  } catch (cause) {
    await worker.close(true);
    throw new Error(`Postgres does not serve the queue (${why(cause)}); start again when it does`, {
      cause,
    });
  }
  worker.run().catch((error: Error) => worker.emit('error', error));
  return worker;
}

/** In Postgres’ words or the driver’s; of several addresses that were tried there is but a code. */
function why(cause: unknown): string {
  if (!Error.isError(cause)) return 'unknown';
  return cause.message === '' && 'code' in cause ? String(cause.code) : cause.message;
}

/**
 * A queue that makes its own back end adds listeners to the connection, and on Postgres even closing it
 * does not take them away. So one back end listens, and each queue gets a sibling of it, which does not.
 */
async function queuesOver(
  shared: IQueueBackend,
  options: QueueOptions<Connection>,
): Promise<(name: string) => JobQueue> {
  // The connection has a listener that logs; without one here, its errors would be thrown.
  shared.on('error', () => {});
  // BullMQ keeps a failure to get ready for good, so it must not be met later, while the server is away.
  await shared.waitUntilReady();
  const sibling: BackendFactory<IQueueBackend, Connection> = (name) => shared.forQueue(name);
  return (name) => new Queue(name, options, sibling);
}

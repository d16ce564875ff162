import { once } from 'node:events';
import {
  createPostgresBackend,
  isPgPool,
  Queue,
  Worker,
  type BackendFactory,
  type ConnectionOptions,
  type JobProgress,
  type PostgresConnectionOptions,
  type PostgresQueueBackend,
  type QueueOptions,
  type RedisQueueBackend,
} from 'bullmq';
import { Redis } from 'ioredis';
import pg from 'pg';
import type { Log } from './log.ts';

/** Where the job queue lives. `prefix` keeps installations that share a Redis apart. */
export type QueueBackendOptions = {
  databaseUrl: string;
  redisUrl?: string | undefined;
  prefix?: string | undefined;
};

const SCHEMA = 'bullmq';
const POOL_SIZE = 5;
const COMMAND_TIMEOUT_MS = 5_000;
/** Kept per queue in its event stream; nobody reads more. */
const MAX_EVENTS = 100;

type Backend = RedisQueueBackend | PostgresQueueBackend;
type Connection = ConnectionOptions | PostgresConnectionOptions;
export type JobQueue = Queue<
  unknown,
  unknown,
  string,
  unknown,
  unknown,
  string,
  Backend,
  Connection
>;
export type JobWorker = Worker<unknown, unknown, string, Backend, JobProgress, Connection>;

/**
 * BullMQ on Redis when there is one, on Postgres otherwise. Every queue shares one connection (or pool);
 * only a worker, which blocks, has one of its own.
 */
export interface QueueBackend {
  queue(
    name: string,
    options?: Omit<QueueOptions, 'connection'> & {
      lockDuration?: number;
      maxStalledCount?: number;
      stalledInterval?: number;
    },
  ): JobQueue;
  worker(name: string, process: (jobName: string) => Promise<void>): JobWorker;
  close(): Promise<void>;
}

/** Connects the queue's back end; on Postgres it also makes BullMQ's own schema. */
export async function openQueueBackend(
  options: QueueBackendOptions,
  log: Log,
): Promise<QueueBackend> {
  return options.redisUrl === undefined
    ? openOnPostgres(options, log)
    : openOnRedis(options.redisUrl, options, log);
}

async function openOnRedis(
  url: string,
  { prefix = 'sallyport' }: QueueBackendOptions,
  log: Log,
): Promise<QueueBackend> {
  // A request must not wait for Redis to come back; a worker may, and has to.
  const connection = new Redis(url, {
    maxRetriesPerRequest: null,
    enableOfflineQueue: false,
    commandTimeout: COMMAND_TIMEOUT_MS,
  });
  const workers = new Redis(url, { maxRetriesPerRequest: null });
  for (const redis of [connection, workers])
    redis.on('error', (error: Error) =>
      log.warn({ err: error }, 'Redis cannot be reached; trying again'),
    );
  await once(connection, 'ready').catch((cause: unknown) => {
    connection.disconnect();
    workers.disconnect();
    throw new Error('Redis cannot be reached; check REDIS_URL and that it is running', { cause });
  });
  const shared = { connection, prefix };
  return {
    queue: (name, extra = {}) =>
      new Queue(name, { streams: { events: { maxLen: MAX_EVENTS } }, ...extra, ...shared }),
    worker: (name, process) =>
      new Worker(name, (job) => process(job.name), { connection: workers, prefix }),
    close: async () => {
      connection.disconnect();
      workers.disconnect();
    },
  };
}

async function openOnPostgres(
  { databaseUrl }: QueueBackendOptions,
  log: Log,
): Promise<QueueBackend> {
  const setUp = new Queue(
    'set-up',
    { connection: { connectionString: databaseUrl, schema: SCHEMA, migrate: true, max: 1 } },
    createPostgresBackend,
  );
  await setUp.waitUntilReady();
  await setUp.close();
  const pool: unknown = new pg.Pool({
    connectionString: databaseUrl,
    max: POOL_SIZE,
    connectionTimeoutMillis: COMMAND_TIMEOUT_MS,
    query_timeout: COMMAND_TIMEOUT_MS,
    options: `-c search_path=${SCHEMA}`,
  });
  if (!isPgPool(pool)) throw new TypeError('this version of pg has no pool that BullMQ can use');
  pool.on('error', (error) => log.warn({ err: error }, 'the queue lost a database connection'));
  const worker = { connectionString: databaseUrl, schema: SCHEMA, max: 2 };
  // BullMQ's types tie a queue to one kind of connection; the factory is where the kind is known.
  const onPool: BackendFactory<Backend, Connection> = (name, opts, extra) =>
    createPostgresBackend(name, { ...opts, connection: pool }, extra);
  const onOwn: BackendFactory<Backend, Connection> = (name, opts, extra) =>
    createPostgresBackend(name, { ...opts, connection: worker }, extra);
  return {
    queue: (name, extra = {}) => new Queue(name, { ...extra, connection: pool }, onPool),
    worker: (name, process) =>
      new Worker(name, (job) => process(job.name), { connection: worker }, onOwn),
    close: async () => pool.end(),
  };
}

import { Socket } from 'node:net';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { AppError } from './app-error.ts';
import { asApplication } from './application-role.ts';
import { Prisma, PrismaClient } from './prisma-client/client.ts';
import { StatementNames } from './statement-names.ts';

/** What a store takes: the database, inside a transaction or not. */
export type Db = Prisma.TransactionClient;

/** Pools of their own: what waits for a lock in a transaction must not hold up sessions, pulls and the safety net. */
const TRANSACTIONS = 8;
const STATEMENTS = 6;
/** The audit is read over four at most: there are others for who comes in. */
const DIRECT = 6;
const CONNECT_TIMEOUT_MS = 5_000;
/** A writer waits this long for another writer of the same group. */
const LOCK_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 15_000;
/** A server that falls silent cannot keep its own timeout. */
const SILENCE_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + 1_000;

/**
 * Postgres through Prisma. What operators can wait for or mend leaves it as an `AppError`; a broken unique
 * constraint and defects leave it as they are.
 */
export class Database {
  readonly #transactions: PrismaClient;
  readonly #statements: PrismaClient;
  readonly #direct: pg.Pool;
  readonly #names = new StatementNames();

  constructor(connection: pg.ClientConfig, silenceTimeoutMs = SILENCE_TIMEOUT_MS) {
    const timeouts = `-c lock_timeout=${LOCK_TIMEOUT_MS} -c statement_timeout=${STATEMENT_TIMEOUT_MS}`;
    const pool = (max: number) => ({
      max,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      stream: () => spokenTo(silenceTimeoutMs),
      ...asApplication(connection, timeouts),
    });
    const statementNameGenerator = ({ sql }: { sql: string }) => this.#names.nameOf(sql);
    // With any other, each call takes its stack, for a message that nobody is shown.
    const errorFormat = 'minimal';
    const connect = (max: number) =>
      new PrismaClient({
        adapter: new PrismaPg(pool(max), { statementNameGenerator }),
        errorFormat,
      });
    this.#transactions = connect(TRANSACTIONS);
    this.#statements = connect(STATEMENTS);
    this.#direct = new pg.Pool(pool(DIRECT));
    // A failure of a connection that nobody waits for: the next use makes another.
    this.#direct.on('error', () => {});
  }

  /** Runs statements that read, and need no transaction. */
  async read<T>(work: (db: Db) => Promise<T>): Promise<T> {
    return this.#named(() => work(this.#statements));
  }

  /** Runs statements that write, each of which is committed by itself. */
  async write<T>(work: (db: Db) => Promise<T>): Promise<T> {
    return this.#named(() => work(this.#statements));
  }

  /** Runs `work` in one transaction, which may last for `timeoutMs`; whatever it throws rolls back. */
  async transaction<T>(work: (tx: Db) => Promise<T>, timeoutMs = STATEMENT_TIMEOUT_MS): Promise<T> {
    const limits = { timeout: timeoutMs, maxWait: CONNECT_TIMEOUT_MS };
    return this.#named(() => this.#transactions.$transaction(work, limits));
  }

  /** Runs statements that read, all of them from the database as it was when the first began. */
  async snapshot<T>(work: (tx: Db) => Promise<T>): Promise<T> {
    const limits = { timeout: STATEMENT_TIMEOUT_MS, maxWait: CONNECT_TIMEOUT_MS };
    const isolation = { isolationLevel: 'RepeatableRead', ...limits } as const;
    return this.#named(() => this.#transactions.$transaction(work, isolation));
  }

  /** Work with statements that have names: where one has a plan that no longer fits, none keeps its name. */
  async #named<T>(work: () => Promise<T>): Promise<T> {
    const { generation } = this.#names;
    return work().catch((error: unknown) => {
      if (sqlStateOf(error) === PLAN_OVERTAKEN) this.#names.renew(generation);
      return rethrow(error);
    });
  }

  /**
   * Runs one statement past Prisma, which costs too much where rows come by the thousand. With a `name` its plan is kept.
   * Columns come as the driver reads them: `bigint` as text.
   */
  async direct<Row extends pg.QueryResultRow>(
    statement: { name?: string; text: string },
    values: unknown[],
  ): Promise<Row[]> {
    return this.#direct
      .query<Row>({ ...statement, values })
      .then(({ rows }) => rows)
      .catch(rethrow);
  }

  async close(): Promise<void> {
    await Promise.all([
      this.#transactions.$disconnect(),
      this.#statements.$disconnect(),
      this.#direct.end(),
    ]);
  }
}

/**
 * For a connection of a pool, which is closed after ten idle seconds: given up when nothing was said on it for longer.
 * The driver's own timeout makes a function for each statement that keeps all of it until V8 collects its old objects.
 */
function spokenTo(silenceTimeoutMs: number): Socket {
  const socket = new Socket();
  return socket.setTimeout(silenceTimeoutMs, () => {
    socket.destroy(Object.assign(new Error('the database fell silent'), { code: 'ETIMEDOUT' }));
  });
}

/** Whether a write broke a unique constraint. */
export function isUniqueViolation(error: unknown): boolean {
  return (
    sqlStateOf(error) === '23505' ||
    (error instanceof Prisma.PrismaClientKnownRequestError && error.code === 'P2002')
  );
}

/** Another change to the group takes too long, or too many wait for it. */
export function groupBusy(cause?: unknown): AppError {
  return new AppError(
    'group.busy',
    'Other changes to this group are taking too long; try again shortly.',
    { retryAfterSeconds: 2, cause },
  );
}

/** Prisma's codes for a database that is away, too slow, in a deadlock, or read-only after a failover. */
const UNREACHABLE = new Set([
  'P1001',
  'P1002',
  'P1008',
  'P1011',
  'P1017',
  'P2024',
  'P2028',
  'P2034',
  'P2037',
  'P2039',
]);
/** The driver adapter's names for the same. */
const UNREACHABLE_KINDS = new Set([
  'ConnectionClosed',
  'DatabaseNotReachable',
  'SocketTimeout',
  'TlsConnectionError',
  'TooManyConnections',
  'TransactionWriteConflict',
]);
/** Of a kept plan whose result a migration has changed (RevalidateCachedQuery): the text is in the server's language. */
const PLAN_OVERTAKEN = '0A000';
/**
 * SQLSTATE classes and codes of a database in trouble (PostgreSQL, appendix A): connections, resources,
 * operator intervention, system errors; deadlock, serialisation, a server that became read-only, a plan overtaken.
 */
const IN_TROUBLE = /^(08|53|57|58)|^(40P01|40001|25006|0A000)$/;
/** Of the system or its resolver, such as EHOSTUNREACH or EMFILE: of what is done here, connections alone have one. */
const OF_SYSTEM = /^E(AI_)?[A-Z0-9]+$/;

function rethrow(error: unknown): never {
  if (error instanceof AppError || isUniqueViolation(error)) throw error;
  const state = sqlStateOf(error);
  if (state === '55P03') throw groupBusy(error);
  if (isUnreachable(error, state)) {
    throw new AppError(
      'server.unavailable',
      'The database cannot be reached or is in trouble; try again shortly.',
      {
        retryAfterSeconds: 5,
        cause: error,
      },
    );
  }
  throw error;
}

function isUnreachable(error: unknown, state: string | undefined): boolean {
  if (error instanceof Prisma.PrismaClientInitializationError) return true;
  // What the database answered is told by its own code: Prisma has one for much that is not its trouble.
  if (state !== undefined) return IN_TROUBLE.test(state);
  if (error instanceof Prisma.PrismaClientKnownRequestError)
    if (UNREACHABLE.has(error.code) || UNREACHABLE_KINDS.has(kindOf(metaCause(error.meta))))
      return true;
  if (!(error instanceof Error)) return false;
  // By the code: where a name has several addresses and none answers, there is no message.
  if ('code' in error && typeof error.code === 'string' && OF_SYSTEM.test(error.code)) return true;
  return /Connection terminated|timeout exceeded when trying to connect|Query read timeout/.test(
    error.message,
  );
}

/** The SQLSTATE that the driver adapter keeps in one of two places. */
function sqlStateOf(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth += 1) {
    const found =
      stateIn(at) ?? stateIn(at.cause) ?? ('meta' in at ? stateIn(metaCause(at.meta)) : undefined);
    if (found !== undefined) return found;
  }
  return undefined;
}

function stateIn(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if ('originalCode' in value && typeof value.originalCode === 'string') return value.originalCode;
  return 'code' in value &&
    typeof value.code === 'string' &&
    /^[0-9A-Z]{5}$/.test(value.code) &&
    !/^[EP]/.test(value.code)
    ? value.code
    : undefined;
}

function kindOf(cause: unknown): string {
  return typeof cause === 'object' && cause !== null && 'kind' in cause ? String(cause.kind) : '';
}

function metaCause(meta: unknown): unknown {
  if (typeof meta !== 'object' || meta === null || !('driverAdapterError' in meta))
    return undefined;
  const { driverAdapterError } = meta;
  return driverAdapterError instanceof Error ? driverAdapterError.cause : undefined;
}

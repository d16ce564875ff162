import { PrismaPg } from '@prisma/adapter-pg';
import { AppError } from './app-error.ts';
import { Prisma, PrismaClient } from './prisma-client/client.ts';

/** What a store takes: the database, inside a transaction or not. */
export type Db = Prisma.TransactionClient;

const POOL_SIZE = 10;
const CONNECT_TIMEOUT_MS = 5_000;
/** A writer waits this long for another writer of the same group. */
const LOCK_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 15_000;
/** A server that falls silent cannot keep its own timeout. */
const SILENCE_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + 1_000;

/** Postgres through Prisma. Every failure leaves it as an `AppError`. */
export class Database {
  readonly #client: PrismaClient;

  constructor(url: string, silenceTimeoutMs = SILENCE_TIMEOUT_MS) {
    this.#client = new PrismaClient({
      adapter: new PrismaPg({
        connectionString: url,
        max: POOL_SIZE,
        connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
        query_timeout: silenceTimeoutMs,
        options: `-c lock_timeout=${LOCK_TIMEOUT_MS} -c statement_timeout=${STATEMENT_TIMEOUT_MS}`,
      }),
    });
  }

  /** Runs statements that need no transaction. */
  async read<T>(work: (db: Db) => Promise<T>): Promise<T> {
    return work(this.#client).catch(rethrow);
  }

  /** Runs `work` in one transaction; whatever it throws rolls back. */
  async transaction<T>(work: (tx: Db) => Promise<T>): Promise<T> {
    return this.#client
      .$transaction(work, { timeout: STATEMENT_TIMEOUT_MS, maxWait: CONNECT_TIMEOUT_MS })
      .catch(rethrow);
  }

  async close(): Promise<void> {
    await this.#client.$disconnect();
  }
}

/** Whether a write broke a unique constraint. */
export function isUniqueViolation(error: unknown): boolean {
  return (
    sqlStateOf(error) === '23505' ||
    (error instanceof Prisma.PrismaClientKnownRequestError && error.code === 'P2002')
  );
}

const UNREACHABLE = new Set([
  'P1001',
  'P1002',
  'P1008',
  'P1011',
  'P1017',
  'P2024',
  'P2028',
  'P2037',
]);

function rethrow(error: unknown): never {
  if (error instanceof AppError || isUniqueViolation(error)) throw error;
  const state = sqlStateOf(error);
  if (state === '55P03') {
    throw new AppError(
      'group.busy',
      'Another change to this group is taking too long; try again shortly.',
      {
        retryAfterSeconds: 2,
        cause: error,
      },
    );
  }
  if (isUnreachable(error, state)) {
    throw new AppError('server.unavailable', 'The database cannot be reached; try again shortly.', {
      retryAfterSeconds: 5,
      cause: error,
    });
  }
  throw error;
}

function isUnreachable(error: unknown, state: string | undefined): boolean {
  if (error instanceof Prisma.PrismaClientInitializationError) return true;
  if (error instanceof Prisma.PrismaClientKnownRequestError && UNREACHABLE.has(error.code))
    return true;
  // Class 08 is a broken connection, 57P01 to 57P05 a server that is going away.
  if (state !== undefined && (state.startsWith('08') || state.startsWith('57P'))) return true;
  return (
    error instanceof Error &&
    /Connection terminated|ECONNREFUSED|ECONNRESET|timeout exceeded when trying to connect|Query read timeout/.test(
      error.message,
    )
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
    !value.code.startsWith('P')
    ? value.code
    : undefined;
}

function metaCause(meta: unknown): unknown {
  if (typeof meta !== 'object' || meta === null || !('driverAdapterError' in meta))
    return undefined;
  const { driverAdapterError } = meta;
  return driverAdapterError instanceof Error ? driverAdapterError.cause : undefined;
}

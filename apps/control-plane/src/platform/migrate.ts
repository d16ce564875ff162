import { createHash } from 'node:crypto';
import pg from 'pg';
import { notReached, OWNED_DATABASE } from './not-reached.ts';
import { PRISMA_DIRECTORY, readMigrations, readSchema, type Migration } from './prisma-folder.ts';

/** The advisory lock that replicas which start together queue for. */
const MIGRATION_LOCK = 7_205_601;
const EARLIER_FAILURE = 'P3009';
const UNDEFINED_TABLE = '42P01';
const INSUFFICIENT_PRIVILEGE = '42501';
const NOT_THE_OWNER =
  'the migrations need the login that owns the database; name it in DATABASE_OWNER_URL, see docs/audit.md';

export type MigrateOptions = { log?: (message: string) => void; prismaDirectory?: string };

/**
 * Applies the migrations that are missing, under an advisory lock, in the standard `_prisma_migrations`;
 * returns their names. Of replicas that start together one applies and the others find nothing to do.
 *
 * @throws Error in words for operators: the database cannot be reached, or a migration failed
 */
export async function migrate(
  connection: pg.ClientConfig,
  options: MigrateOptions = {},
): Promise<string[]> {
  const directory = options.prismaDirectory ?? PRISMA_DIRECTORY;
  const lock = new pg.Client({ connectionTimeoutMillis: 5_000, ...connection });
  lock.on('error', () => {});
  await lock.connect().catch((cause: unknown) => {
    throw notReached(cause, OWNED_DATABASE);
  });
  try {
    await lock.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const migrations = await readMigrations(directory);
    const applied = (await areApplied(lock, migrations))
      ? []
      : await apply(connection, directory, migrations);
    options.log?.(
      applied.length === 0 ? 'the database is up to date' : `applied ${applied.join(', ')}`,
    );
    return applied;
  } finally {
    await lock.end();
  }
}

/**
 * Whether the database has these migrations as they are here, and no others, failed ones included. Then there
 * is nothing to load the schema engine for, which costs as much as the rest of migrating; else it decides.
 */
async function areApplied(client: pg.Client, migrations: readonly Migration[]): Promise<boolean> {
  const rows = await readApplied(client);
  const checksums = new Map(rows.map(({ name, checksum }) => [name, checksum]));
  return (
    rows.length === migrations.length &&
    migrations.every(({ name, sql }) => checksums.get(name) === checksumOf(sql))
  );
}

type AppliedRow = { name: string; checksum: string | null };

/** What was begun and not rolled back; what has not ended has no checksum. */
async function readApplied(client: pg.Client): Promise<AppliedRow[]> {
  try {
    const { rows } = await client.query<AppliedRow>(
      `SELECT migration_name AS name, CASE WHEN finished_at IS NOT NULL THEN checksum END AS checksum
         FROM _prisma_migrations WHERE rolled_back_at IS NULL`,
    );
    return rows;
  } catch (error) {
    if (codeOf(error) === UNDEFINED_TABLE) return [];
    if (codeOf(error) === INSUFFICIENT_PRIVILEGE) throw new Error(NOT_THE_OWNER, { cause: error });
    throw error;
  }
}

/** As Prisma records it. */
function checksumOf(sql: string): string {
  return createHash('sha256').update(sql).digest('hex');
}

async function apply(
  connection: pg.ClientConfig,
  directory: string,
  migrations: readonly Migration[],
): Promise<string[]> {
  const { migrationList, NO_FILTER, withSchemaEngine } = await import('./schema-engine.ts');
  const migrationsList = await migrationList(directory, migrations);
  return withSchemaEngine(connection, await readSchema(directory), async (engine) => {
    try {
      const input = { migrationsList, filters: NO_FILTER };
      return (await engine.applyMigrations(input)).appliedMigrationNames;
    } catch (cause) {
      throw new Error(inWords(cause), { cause });
    }
  });
}

/** The engine's report is a few lines of reason, above a trace that names the migration. */
function inWords(cause: unknown): string {
  const report = Error.isError(cause) ? cause.message : String(cause);
  const name = /migration_name="([^"]+)"|The `([^`]+)` migration/.exec(report)?.slice(1).join('');
  if (codeOf(cause) === EARLIER_FAILURE) {
    const again = `npx prisma migrate resolve --rolled-back ${name}`;
    return `the migration ${name} failed at an earlier start; put right what stopped it, then let it run again with: ${again}`;
  }
  const [reason = ''] = report.split(/\n\s+0: /, 1);
  return `the migration ${name} failed: ${reason.replace('external connector error', '').trim()}`;
}

function codeOf(error: unknown): string | undefined {
  return Error.isError(error) && 'code' in error ? String(error.code) : undefined;
}

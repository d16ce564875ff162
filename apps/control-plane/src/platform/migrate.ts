import pg from 'pg';
import {
  NO_FILTER,
  PRISMA_DIRECTORY,
  readMigrations,
  readSchema,
  withSchemaEngine,
} from './schema-engine.ts';

/** The advisory lock that replicas which start together queue for. */
const MIGRATION_LOCK = 7_205_601;

export type MigrateOptions = { log?: (message: string) => void; prismaDirectory?: string };

/**
 * Applies the migrations that are missing, under an advisory lock, in the standard `_prisma_migrations`;
 * returns their names. Of replicas that start together one applies and the others find nothing to do.
 *
 * @throws Error in words for operators: the database cannot be reached, or a migration failed
 */
export async function migrate(
  databaseUrl: string,
  options: MigrateOptions = {},
): Promise<string[]> {
  const directory = options.prismaDirectory ?? PRISMA_DIRECTORY;
  const lock = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 5_000 });
  lock.on('error', () => {});
  await lock.connect().catch((error: unknown) => {
    throw new Error(
      `the database cannot be reached${codeOf(error)}; check DATABASE_URL and that Postgres is running`,
      { cause: error },
    );
  });
  try {
    await lock.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const applied = await apply(databaseUrl, directory);
    options.log?.(
      applied.length === 0 ? 'the database is up to date' : `applied ${applied.join(', ')}`,
    );
    return applied;
  } finally {
    await lock.end();
  }
}

async function apply(databaseUrl: string, directory: string): Promise<string[]> {
  const migrationsList = await readMigrations(directory);
  try {
    return await withSchemaEngine(databaseUrl, await readSchema(directory), async (engine) => {
      const { appliedMigrationNames } = await engine.applyMigrations({
        migrationsList,
        filters: NO_FILTER,
      });
      return appliedMigrationNames;
    });
  } catch (error) {
    throw new Error(
      'a migration failed; the database log says why, and _prisma_migrations which one',
      { cause: error },
    );
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? ` (${error.code})`
    : '';
}

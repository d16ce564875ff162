import type { DiffTarget } from '@prisma/schema-engine-wasm';
import pg from 'pg';
import { migrate } from './migrate.ts';
import { PRISMA_DIRECTORY, readSchema } from './prisma-folder.ts';
import { NO_FILTER, withSchemaEngine } from './schema-engine.ts';

/** Two empty databases to compare in. */
export type ScratchDatabases = { migratedUrl: string; modelledUrl: string };

/**
 * Every difference between what the SQL migrations make and what schema.prisma describes; none when they
 * match. Compared are tables, columns, keys, indexes and enums. What schema.prisma cannot say is left
 * out: triggers, functions, CHECK constraints, indexes on a part or an expression, the order of columns.
 */
export async function findMigrationDrift(
  { migratedUrl, modelledUrl }: ScratchDatabases,
  prismaDirectory: string = PRISMA_DIRECTORY,
): Promise<string[]> {
  await migrate({ connectionString: migratedUrl }, { prismaDirectory });
  const sql = await diffSchemas(modelledUrl, undefined, await readSchema(prismaDirectory));
  await withClient(modelledUrl, (client) => client.query(sql));
  const migrated = await withClient(migratedUrl, readCatalog);
  const modelled = await withClient(modelledUrl, readCatalog);
  return [
    ...[...migrated.difference(modelled)].map((entry) => `only in the migrations: ${entry}`),
    ...[...modelled.difference(migrated)].map((entry) => `only in schema.prisma: ${entry}`),
  ];
}

/** The SQL that turns one schema into another; from nothing when `before` is undefined. */
export async function diffSchemas(
  databaseUrl: string,
  before: string | undefined,
  after: string,
): Promise<string> {
  const model = (content: string): DiffTarget => ({
    tag: 'schemaDatamodel',
    files: [{ path: 'schema.prisma', content }],
  });
  const { stdout } = await withSchemaEngine({ connectionString: databaseUrl }, after, (engine) =>
    engine.diff({
      from: before === undefined ? { tag: 'empty' } : model(before),
      to: model(after),
      script: true,
      exitCode: null,
      filters: NO_FILTER,
    }),
  );
  return (stdout ?? '').replace('-- This is an empty migration.', '').trim();
}

const CATALOG = `
  SELECT format('column %s.%s %s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END,
                coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), ''))
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
   WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
     AND a.attnum > 0 AND NOT a.attisdropped AND c.relname <> '_prisma_migrations'
  UNION ALL
  SELECT format('constraint %s on %s: %s', conname, conrelid::regclass, pg_get_constraintdef(oid))
    FROM pg_constraint
   WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'u', 'f', 'x')
     AND conrelid <> coalesce(to_regclass('_prisma_migrations'), 0)
  UNION ALL
  SELECT format('index %s', pg_get_indexdef(i.indexrelid))
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
   WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> '_prisma_migrations'
     AND i.indpred IS NULL AND i.indexprs IS NULL
  UNION ALL
  SELECT format('enum %s: %s', t.typname, string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder))
    FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid
   WHERE t.typnamespace = 'public'::regnamespace GROUP BY t.typname
  ORDER BY 1`;

async function readCatalog(client: pg.Client): Promise<Set<string>> {
  const { rows } = await client.query<[string]>({ text: CATALOG, rowMode: 'array' });
  return new Set(rows.flat());
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import { SchemaEngine, type MigrationList } from '@prisma/schema-engine-wasm';

/** The repository's `prisma` folder; a container puts it beside the bundle and names it. */
export const PRISMA_DIRECTORY = fileURLToPath(new URL('../../../../prisma', import.meta.url));

/** Prisma's schema engine as WebAssembly, over one database. It needs no download. */
export async function openSchemaEngine(databaseUrl: string, schema: string): Promise<SchemaEngine> {
  const adapter = bindMigrationAwareSqlAdapterFactory(new PrismaPg({ connectionString: databaseUrl }));
  return SchemaEngine.new({ datamodels: [['schema.prisma', schema]] }, () => {}, adapter);
}

export async function readSchema(prismaDirectory: string): Promise<string> {
  return readFile(join(prismaDirectory, 'schema.prisma'), 'utf8');
}

/** The migrations on disk, oldest first, as the engine takes them. */
export async function readMigrations(prismaDirectory: string): Promise<MigrationList> {
  const baseDir = join(prismaDirectory, 'migrations');
  const entries = await readdir(baseDir, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  const migrationDirectories = await Promise.all(
    names.toSorted().map(async (path) => ({
      path,
      migrationFile: {
        path: 'migration.sql',
        content: { tag: 'ok' as const, value: await readFile(join(baseDir, path, 'migration.sql'), 'utf8') },
      },
    })),
  );
  return {
    baseDir,
    lockfile: { path: 'migration_lock.toml', content: await readFile(join(baseDir, 'migration_lock.toml'), 'utf8') },
    shadowDbInitScript: '',
    migrationDirectories,
  };
}

/** Nothing is managed from outside. */
export const NO_FILTER = { externalTables: [], externalEnums: [] };

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import type { ConstructorOptions, MigrationList } from '@prisma/schema-engine-wasm';
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg';
import pg from 'pg';
import type { Migration } from './prisma-folder.ts';

/** Nothing is managed from outside. */
export const NO_FILTER = { externalTables: [], externalEnums: [] };

// The types of WebAssembly come with the DOM's, which have no place in a server.
declare const WebAssembly: {
  instantiate(
    binary: Uint8Array,
    imports: Record<string, object>,
  ): Promise<{ instance: { exports: { __wbindgen_start(): void } } }>;
};

let loading: Promise<void> | undefined;

/**
 * Lends Prisma's schema engine, as WebAssembly over one database, and closes its connections. It needs no
 * download. It cannot describe a database: its adapter does not know the catalog's "char" columns.
 */
export async function withSchemaEngine<T>(
  connection: pg.ClientConfig,
  schema: string,
  work: (engine: bindings.SchemaEngine) => Promise<T>,
): Promise<T> {
  await (loading ??= loadEngine());
  const pool = new pg.Pool({ max: 2, ...connection });
  const factory = bindMigrationAwareSqlAdapterFactory(new WholeScripts(pool));
  const options: ConstructorOptions = { datamodels: [['schema.prisma', schema]] };
  const engine = await bindings.SchemaEngine.new(options, () => {}, factory);
  try {
    return await work(engine);
  } finally {
    engine.free();
    // The engine has no close of its own, and an open connection would hold the database.
    await pool.end();
  }
}

/**
 * Runs a migration as one script, in one implicit transaction. Prisma's own adapter cuts it at every
 * semicolon, also in strings and function bodies, and leaves half of it behind when a part fails.
 */
class WholeScripts extends PrismaPg {
  override async connect() {
    const adapter = await super.connect();
    adapter.executeScript = async (script) => {
      await adapter.executeRaw({ sql: script, args: [], argTypes: [] });
    };
    return adapter;
  }
}

/**
 * Loads the engine by hand: Node warns when a module imports WebAssembly, and a timer that the engine
 * never clears would keep the process alive for ten seconds.
 */
async function loadEngine(): Promise<void> {
  const entry = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm');
  const binary = await readFile(join(dirname(entry), 'schema_engine_bg.wasm'));
  const imports = Object.fromEntries(
    Object.entries(bindings).map(([name, binding]) => [
      name,
      name.startsWith('__wbg_setTimeout_') ? setUnreferencedTimeout : binding,
    ]),
  );
  const { instance } = await WebAssembly.instantiate(binary, { './schema_engine_bg.js': imports });
  bindings.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
}

function setUnreferencedTimeout(callback: () => void, milliseconds: number): NodeJS.Timeout {
  return setTimeout(callback, milliseconds).unref();
}

/** The migrations of a folder as the engine takes them. */
export async function migrationList(
  prismaDirectory: string,
  migrations: readonly Migration[],
): Promise<MigrationList> {
  const baseDir = join(prismaDirectory, 'migrations');
  return {
    baseDir,
    lockfile: {
      path: 'migration_lock.toml',
      content: await readFile(join(baseDir, 'migration_lock.toml'), 'utf8'),
    },
    shadowDbInitScript: '',
    migrationDirectories: migrations.map(({ name, sql }) => ({
      path: name,
      migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: sql } },
    })),
  };
}

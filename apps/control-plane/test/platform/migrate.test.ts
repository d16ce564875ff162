import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { asAdmin, createEmptyDatabase, type TestDatabase } from '@sallyport/testkit/database';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { migrate } from '../../src/platform/migrate.ts';
import { findMigrationDrift } from '../../src/platform/migrations-match.ts';
import { PRISMA_DIRECTORY } from '../../src/platform/prisma-folder.ts';

const ID = '01890a5d-ac96-774b-bcce-b302099a8057';

let database: TestDatabase;
let folder: TempDirectory;

beforeEach(async () => {
  database = await createEmptyDatabase();
  folder = await createTempDirectory();
  await cp(PRISMA_DIRECTORY, folder.path, { recursive: true });
});

afterEach(async () => {
  await folder.remove();
  await database.drop();
});

async function addMigration(name: string, sql: string): Promise<void> {
  const path = join(folder.path, 'migrations', name);
  await mkdir(path);
  await writeFile(join(path, 'migration.sql'), sql);
}

/** Applies the migrations that come before one. */
async function migrateBefore(name: string): Promise<void> {
  const path = join(folder.path, 'migrations');
  const all = (await readdir(path)).toSorted();
  const from = all.findIndex((each) => each.endsWith(`_${name}`));
  for (const later of all.slice(from).filter((each) => /^\d/.test(each)))
    await rm(join(path, later), { recursive: true });
  await migrate({ connectionString: database.url }, { prismaDirectory: folder.path });
}

async function query(sql: string): Promise<unknown[]> {
  return asAdmin(
    database.url,
    async (client) => (await client.query<Record<string, unknown>>(sql)).rows,
  );
}

describe('migrations', () => {
  test('are applied once by replicas that start together', async () => {
    await addMigration('29990101000000_counts', 'CREATE TABLE counted AS SELECT 1 AS times;');
    const replicas = [1, 2, 3].map(() =>
      migrate({ connectionString: database.url }, { prismaDirectory: folder.path }),
    );
    const applied = (await Promise.all(replicas)).toSorted((a, b) => a.length - b.length);
    expect(applied).toEqual([[], [], expect.arrayContaining(['29990101000000_counts'])]);
    expect(await query('SELECT times FROM counted')).toEqual([{ times: 1 }]);
  });

  test('are recorded where Prisma records them', async () => {
    const applied = await migrate({ connectionString: database.url });
    expect(applied.length).toBeGreaterThan(0);
    expect(
      await query(
        'SELECT migration_name, finished_at IS NOT NULL AS finished FROM _prisma_migrations ORDER BY 1',
      ),
    ).toEqual(applied.map((name) => ({ migration_name: name, finished: true })));
  });

  test('[AT-04] keep what an operator was allowed before roles could be bound to groups', async () => {
    await migrateBefore('role_bindings_and_api_keys');
    await query(`INSERT INTO operators (id, name, role, password_hash, created_at)
      VALUES ('${ID}', 'ann', 'admin', '', now())`);
    await migrate({ connectionString: database.url });
    expect(await query('SELECT operator_id, role, group_id FROM role_bindings')).toEqual([
      { operator_id: ID, role: 'admin', group_id: null },
    ]);
  });

  test('[SG-27] keep the longest time of a lease, but for one that followed the time of one lease', async () => {
    await migrateBefore('unsaid_longest_lease');
    await query(`INSERT INTO groups (id, name, created_at) VALUES ('${ID}', 'a', now());
      INSERT INTO secrets (id, group_id, name, kind, delivery, offline, version, created_at, updated_at, lease)
      SELECT gen_random_uuid(), '${ID}', name, 'stored', 'lease', 'deny', 1, now(), now(), lease::jsonb
        FROM (VALUES ('delivered', NULL),
                     ('followed', '{"ttlSeconds": 60, "maxTtlSeconds": 60, "maxUses": 60}'),
                     ('kept', '{"ttlSeconds": 60, "maxTtlSeconds": 300, "maxUses": null}')) AS old (name, lease)`);
    await migrate({ connectionString: database.url });
    expect(await query('SELECT name, lease FROM secrets ORDER BY name')).toEqual([
      { name: 'delivered', lease: null },
      { name: 'followed', lease: { ttlSeconds: 60, maxUses: 60 } },
      { name: 'kept', lease: { ttlSeconds: 60, maxTtlSeconds: 300, maxUses: null } },
    ]);
  });

  test('keep of each secret’s newest version whether it is a reference; of those before it nobody knows', async () => {
    await migrateBefore('secret_version_kind');
    const version = (number: number) =>
      `(gen_random_uuid(), '${ID}', '${ID}', ${number}, '', 1, 'ann', now())`;
    await query(`
      INSERT INTO groups (id, name, created_at) VALUES ('${ID}', 'a', now());
      INSERT INTO secrets (id, group_id, name, kind, delivery, offline, version, created_at, updated_at)
        VALUES ('${ID}', '${ID}', 'db', 'reference', 'bundle', 'deny', 2, now(), now());
      INSERT INTO secret_versions
        (id, secret_id, group_id, version, sealed_value, key_version, created_by, created_at)
        VALUES ${version(1)}, ${version(2)}`);
    await migrate({ connectionString: database.url });
    expect(await query('SELECT version, kind FROM secret_versions ORDER BY version')).toEqual([
      { version: 1, kind: null },
      { version: 2, kind: 'reference' },
    ]);
  });

  test('say what they did', async () => {
    const said: string[] = [];
    const log = (message: string) => void said.push(message);
    const applied = await migrate({ connectionString: database.url }, { log });
    await migrate({ connectionString: database.url }, { log });
    expect(said).toEqual([`applied ${applied.join(', ')}`, 'the database is up to date']);
  });

  test('that fail leave nothing half-done, are named with the reason, and again at the next start', async () => {
    await addMigration(
      '29990101000000_bad',
      'CREATE TABLE half (); INSERT INTO nowhere VALUES (1);',
    );
    const start = () =>
      migrate({ connectionString: database.url }, { prismaDirectory: folder.path });
    await expect(start()).rejects.toThrow(
      /^the migration 29990101000000_bad failed: No such table: nowhere$/,
    );
    expect(await query("SELECT to_regclass('half') AS half")).toEqual([{ half: null }]);
    await expect(start()).rejects.toThrow(
      /^the migration 29990101000000_bad failed at an earlier start; .* migrate resolve/,
    );
  });

  test('of which the database has all, as they are, need no schema engine; any other does', async () => {
    await migrate({ connectionString: database.url }, { prismaDirectory: folder.path });
    // Only the engine reads it.
    await rm(join(folder.path, 'migrations/migration_lock.toml'));
    const engineIsAskedFor = /migration_lock\.toml/;
    const start = () =>
      migrate({ connectionString: database.url }, { prismaDirectory: folder.path });
    expect(await start()).toEqual([]);

    await query(
      `UPDATE _prisma_migrations SET checksum = 'another' WHERE migration_name LIKE '%_first_slice'`,
    );
    await expect(start()).rejects.toThrow(engineIsAskedFor);
    await query("DELETE FROM _prisma_migrations WHERE checksum = 'another'");
    await expect(start()).rejects.toThrow(engineIsAskedFor);
  });

  test('that were rolled back after a failure run again, and one that did not end is no applied one', async () => {
    const name = '29990101000000_mended';
    await addMigration(name, 'CREATE TABLE mended ();');
    const start = () =>
      migrate({ connectionString: database.url }, { prismaDirectory: folder.path });
    await start();
    await query(
      `UPDATE _prisma_migrations SET finished_at = NULL WHERE migration_name = '${name}'`,
    );
    await expect(start()).rejects.toThrow(`the migration ${name} failed at an earlier start`);
    await query('DROP TABLE mended');
    await query(
      `UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name = '${name}'`,
    );
    expect(await start()).toEqual([name]);
    await rm(join(folder.path, 'migrations/migration_lock.toml'));
    expect(await start()).toEqual([]);
  });

  test('are scripts of Postgres, with semicolons where they please', async () => {
    await addMigration(
      '29990101000000_function',
      "-- a comment; too\nCREATE FUNCTION two() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM ';'; RETURN 2; END; $$;",
    );
    await migrate({ connectionString: database.url }, { prismaDirectory: folder.path });
    expect(await query('SELECT two()')).toEqual([{ two: 2 }]);
  });

  test('of a database that is down are refused in words', async () => {
    const url = 'postgresql://sallyport:hidden@127.0.0.1:1/sallyport';
    await expect(migrate({ connectionString: url })).rejects.toThrow(
      /^the database cannot be reached \(ECONNREFUSED\); check DATABASE_OWNER_URL, or DATABASE_URL /,
    );
  });
});

describe('prisma/schema.prisma', () => {
  let modelled: TestDatabase;
  beforeEach(async () => {
    modelled = await createEmptyDatabase();
  });
  afterEach(() => modelled.drop());

  const drift = () =>
    findMigrationDrift({ migratedUrl: database.url, modelledUrl: modelled.url }, folder.path);

  test('is what the migrations make', async () => {
    expect(await drift()).toEqual([]);
  });

  test('that has run ahead of the migrations is told apart, and migrations that have run ahead of it', async () => {
    const path = join(folder.path, 'schema.prisma');
    const schema = await readFile(path, 'utf8');
    await writeFile(
      path,
      schema.replace('model Installation {', 'model Installation {\n  extra String?'),
    );
    await addMigration('29990101000000_ahead', 'CREATE INDEX ahead ON installations (created_at);');
    expect(await drift()).toEqual([
      'only in the migrations: index CREATE INDEX ahead ON public.installations USING btree (created_at)',
      'only in schema.prisma: column installations.extra text',
    ]);
  });
});

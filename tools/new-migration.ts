import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '@sallyport/embedded-postgres/start';
import {
  NO_FILTER,
  PRISMA_DIRECTORY,
  readSchema,
  withSchemaEngine,
} from '../apps/control-plane/src/platform/schema-engine.ts';

/** `node tools/new-migration.ts NAME` writes the SQL that takes the committed prisma/schema.prisma to the one at hand. */
const name = process.argv[2];
if (name === undefined || !/^[a-z0-9_]+$/.test(name)) {
  process.stderr.write('usage: node tools/new-migration.ts NAME (a-z, 0-9 and _)\n');
  process.exit(2);
}

const sql = await missingSql();
if (sql === '') {
  process.stdout.write(
    'prisma/schema.prisma is as it was committed; there is nothing to migrate.\n',
  );
} else {
  const stamp = new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14);
  const path = join(PRISMA_DIRECTORY, 'migrations', `${stamp}_${name}`);
  await mkdir(path);
  await writeFile(join(path, 'migration.sql'), `${sql}\n`);
  process.stdout.write(`Wrote ${path}/migration.sql\n`);
}

async function missingSql(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-migration-'));
  // The embedded server runs as a user of its own when this runs as root.
  await chmod(folder, 0o711);
  const postgres = await startEmbeddedPostgres({
    directory: join(folder, 'postgres'),
    database: 'scratch',
    fsync: false,
  });
  try {
    const schema = await readSchema(PRISMA_DIRECTORY);
    const before = committedSchema();
    const { stdout } = await withSchemaEngine(postgres.url, schema, (engine) =>
      engine.diff({
        from:
          before === undefined
            ? { tag: 'empty' }
            : { tag: 'schemaDatamodel', files: [{ path: 'before.prisma', content: before }] },
        to: { tag: 'schemaDatamodel', files: [{ path: 'schema.prisma', content: schema }] },
        script: true,
        exitCode: null,
        filters: NO_FILTER,
      }),
    );
    return (stdout ?? '').replace('-- This is an empty migration.', '').trim();
  } finally {
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

function committedSchema(): string | undefined {
  const hasMigrations =
    execFileSync('git', ['ls-files', 'prisma/migrations/*/migration.sql'], { encoding: 'utf8' }) !==
    '';
  return hasMigrations
    ? execFileSync('git', ['show', 'HEAD:prisma/schema.prisma'], { encoding: 'utf8' })
    : undefined;
}

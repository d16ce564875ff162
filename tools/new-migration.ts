import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { diffSchemas } from '../apps/control-plane/src/platform/migrations-match.ts';
import { PRISMA_DIRECTORY, readSchema } from '../apps/control-plane/src/platform/prisma-folder.ts';
import { withScratchDatabases } from './scratch-databases.ts';

/** `node tools/new-migration.ts NAME` writes the SQL that takes the schema of the last committed migration to the one at hand. */
const name = process.argv[2];
if (name === undefined || !/^[a-z0-9_]+$/.test(name)) {
  process.stderr.write('usage: node tools/new-migration.ts NAME (a-z, 0-9 and _)\n');
  process.exit(2);
}

const schema = await readSchema(PRISMA_DIRECTORY);
const sql = await withScratchDatabases((url) => diffSchemas(url, schemaOfLastMigration(), schema));
if (sql === '') {
  process.stdout.write(
    'prisma/schema.prisma is as the last migration left it; nothing to write.\n',
  );
} else {
  const stamp = new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14);
  const path = join(PRISMA_DIRECTORY, 'migrations', `${stamp}_${name}`);
  await mkdir(path);
  await writeFile(join(path, 'migration.sql'), `${sql}\n`);
  process.stdout.write(`Wrote ${relative(process.cwd(), path)}/migration.sql\n`);
}

/** The schema as it was committed with the newest migration. */
function schemaOfLastMigration(): string | undefined {
  const commit = git('log', '-1', '--format=%H', '--', 'migrations/*/migration.sql').trim();
  return commit === '' ? undefined : git('show', `${commit}:./schema.prisma`);
}

function git(...args: string[]): string {
  return execFileSync('git', args, { encoding: 'utf8', cwd: PRISMA_DIRECTORY });
}

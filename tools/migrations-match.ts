import { findMigrationDrift } from '../apps/control-plane/src/platform/migrations-match.ts';
import { withScratchDatabases } from './scratch-databases.ts';

/** `node tools/migrations-match.ts [PRISMA-FOLDER]`: exit code 1, and the differences, when migrations and schema.prisma disagree. */
const prismaDirectory = process.argv[2];
const drift = await withScratchDatabases((migratedUrl, modelledUrl) =>
  findMigrationDrift({ migratedUrl, modelledUrl }, prismaDirectory),
);
if (drift.length > 0) {
  process.stderr.write(
    `${drift.join('\n')}\nWrite a migration: node tools/new-migration.ts NAME\n`,
  );
  process.exitCode = 1;
}

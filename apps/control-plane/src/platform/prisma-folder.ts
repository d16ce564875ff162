import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's `prisma` folder; a container puts it beside the bundle and names it. */
export const PRISMA_DIRECTORY = fileURLToPath(new URL('../../../../prisma', import.meta.url));

export async function readSchema(prismaDirectory: string): Promise<string> {
  return readFile(join(prismaDirectory, 'schema.prisma'), 'utf8');
}

export type Migration = { name: string; sql: string };

/** The migrations on disk, oldest first. */
export async function readMigrations(prismaDirectory: string): Promise<Migration[]> {
  const folder = join(prismaDirectory, 'migrations');
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    names.toSorted().map(async (name) => {
      return { name, sql: await readFile(join(folder, name, 'migration.sql'), 'utf8') };
    }),
  );
}

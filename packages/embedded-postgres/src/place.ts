import { randomBytes } from 'node:crypto';
import { chmod, chown, link, mkdir, open, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { findBinaries } from './binaries.ts';
import { EmbeddedPostgresError, systemErrorCode } from './failure.ts';
import { findBlockingFolder, findServerUser } from './server-user.ts';
import type { ServerUser } from './server-user.ts';

/** Where one embedded server keeps its things, and who runs it. */
export type Place = {
  directory: string;
  dataDirectory: string;
  passwordFile: string;
  logFile: string;
  binaries: string;
  user: ServerUser | undefined;
};

const OURS = /^(password|data$|server\.log$|initialising-|binaries-)/;

/** Makes `directory` ready: there, 0700, owned by the server's user, and nobody else's. */
export async function preparePlace(directory: string): Promise<Place> {
  const user = await findServerUser();
  const wanted = resolve(directory);
  try {
    await mkdir(dirname(wanted), { recursive: true });
    if (user !== undefined) await requireTraversable(dirname(wanted), user);
    await mkdir(wanted, { recursive: true, mode: 0o700 });
    const real = await realpath(wanted);
    await requireOwnFolder(real);
    if (user !== undefined) await chown(real, user.uid, user.gid);
    await chmod(real, 0o700);
    return {
      directory: real,
      dataDirectory: join(real, 'data'),
      passwordFile: join(real, 'password'),
      logFile: join(real, 'server.log'),
      binaries: await findBinaries(real, user),
      user,
    };
  } catch (cause) {
    if (cause instanceof EmbeddedPostgresError || !Error.isError(cause)) throw cause;
    throw new EmbeddedPostgresError(
      `The folder ${wanted} cannot hold the embedded database: ${cause.message}. Choose another data directory, or set DATABASE_URL.`,
      { cause },
    );
  }
}

async function requireTraversable(parent: string, user: ServerUser): Promise<void> {
  const folder = await findBlockingFolder(await realpath(parent), user);
  if (folder === undefined) return;
  throw new EmbeddedPostgresError(
    `The embedded Postgres runs as the user "postgres", who may not enter ${folder}. ` +
      'Set DATABASE_URL to use a Postgres of your own, or set the data directory to (or run from) a folder that others may traverse.',
  );
}

// The folder changes owner and mode, so it must not be one that holds anything else.
async function requireOwnFolder(directory: string): Promise<void> {
  const foreign = (await readdir(directory)).find((name) => !OURS.test(name));
  if (foreign === undefined) return;
  throw new EmbeddedPostgresError(
    `The folder ${directory} holds other things than an embedded database (${foreign}). Choose a folder of its own.`,
  );
}

/** The superuser's password: 32 random bytes, made once, 0600. */
export async function readOrCreatePassword(place: Place): Promise<string> {
  const existing = await readPassword(place);
  if (existing !== undefined) return existing;
  const contents = await readdir(place.directory);
  if (contents.includes('data')) {
    throw new EmbeddedPostgresError(
      `The embedded database in ${place.directory} has lost its file "password". Put it back from a backup.`,
    );
  }
  const fresh = join(place.directory, `password.${randomBytes(6).toString('hex')}`);
  const file = await open(fresh, 'wx', 0o600);
  try {
    await file.writeFile(`${randomBytes(32).toString('base64url')}\n`);
    // Not by its path: the folder's user could have put a link to a file of root's there.
    if (place.user !== undefined) await file.chown(place.user.uid, place.user.gid);
    await file.sync();
  } finally {
    await file.close();
  }
  // link() fails when the name is taken: of two that start together, both end up with the first's.
  await link(fresh, place.passwordFile).catch((cause: unknown) => {
    if (systemErrorCode(cause) !== 'EEXIST') throw cause;
  });
  await rm(fresh);
  return readOrCreatePassword(place);
}

async function readPassword(place: Place): Promise<string | undefined> {
  try {
    return (await readFile(place.passwordFile, 'utf8')).trim();
  } catch (cause) {
    if (systemErrorCode(cause) === 'ENOENT') return undefined;
    throw cause;
  }
}

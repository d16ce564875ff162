import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EmbeddedPostgresError } from './failure.ts';
import { run } from './run.ts';

/** The operating-system user that the server runs as. */
export type ServerUser = { uid: number; gid: number };

const USER_NAME = 'postgres';

/**
 * Postgres refuses to run as root: then it is the user `postgres`, made when absent. Undefined means
 * that the server runs as whoever we are.
 */
export async function findServerUser(): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  return (await lookUp()) ?? (await create());
}

async function lookUp(): Promise<ServerUser | undefined> {
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map((flag) => run('id', [flag, USER_NAME], { cwd: '/', user: undefined })),
  );
  if (uid?.code !== 0 || gid?.code !== 0) return undefined;
  return { uid: Number(uid.output), gid: Number(gid.output) };
}

async function create(): Promise<ServerUser> {
  const flags = [
    '--system',
    '--user-group',
    '--no-create-home',
    '--home-dir',
    '/nonexistent',
    '--shell',
    '/bin/false',
  ];
  const made = await run('useradd', [...flags, USER_NAME], { cwd: '/', user: undefined }).catch(
    (cause: Error) => ({
      output: cause.message,
    }),
  );
  const user = await lookUp();
  if (user !== undefined) return user;
  throw new EmbeddedPostgresError(
    `Postgres does not run as root, and the user "${USER_NAME}" for it could not be made (${made.output}). ` +
      'Run as another user, or set DATABASE_URL.',
  );
}

/** The first folder on the way down to `path` (or `path` itself) that `user` may not enter. */
export async function findBlockingFolder(
  path: string,
  user: ServerUser,
): Promise<string | undefined> {
  const parent = dirname(path);
  const above = parent === path ? undefined : await findBlockingFolder(parent, user);
  if (above !== undefined) return above;
  const { mode, uid, gid } = await stat(path);
  let executeBit = 0o001;
  if (uid === user.uid) executeBit = 0o100;
  else if (gid === user.gid) executeBit = 0o010;
  return (mode & executeBit) === 0 ? path : undefined;
}

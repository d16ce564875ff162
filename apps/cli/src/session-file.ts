import { randomUUID } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { instant } from '@sallyport/contract';
import { z } from 'zod';
import { CliError } from './cli-error.ts';
import { codeBehind, codeOf } from './system-error.ts';

const GROUP_AND_OTHERS = 0o077;

/** A signed-in session. `ca` (PEM) is what the URL is trusted under; absent, the public roots are. */
const storedSession = z.strictObject({
  format: z.literal(1),
  url: z.url({ protocol: /^https$/ }),
  ca: z.string().optional(),
  token: z.string(),
  expiresAt: instant,
});
export type StoredSession = Omit<z.infer<typeof storedSession>, 'format'>;

/** The session on disk: `session.json`, 0600, in a directory of this user alone (0700). Anything looser is refused. */
export class SessionFile {
  readonly #directory: string;
  readonly #path: string;

  constructor(directory: string) {
    this.#directory = resolve(directory);
    this.#path = join(this.#directory, 'session.json');
  }

  /**
   * The session, or undefined when there is none. Never follows a link.
   *
   * @throws CliError `session_file.unsafe` or `session_file.unusable`
   */
  async read(): Promise<StoredSession | undefined> {
    const text = await usable(this.#path, () => this.#readPrivately());
    if (text === undefined) return undefined;
    try {
      const { format: _format, ...session } = storedSession.parse(JSON.parse(text));
      return session;
    } catch {
      // The cause is left out: it could quote the token.
      throw new CliError(
        'session_file.unusable',
        `${this.#path} is damaged or of another version; sign in again`,
      );
    }
  }

  /** Makes the directory when it is not there. @throws CliError `session_file.unsafe` or `session_file.unusable` */
  async prepare(): Promise<void> {
    await usable(this.#directory, async () => {
      await makeDirectory(this.#directory);
      assertPrivate(this.#directory, await lstat(this.#directory), 'directory');
    });
  }

  /** Replaces the session as a whole. @throws CliError `session_file.unsafe` or `session_file.unusable` */
  async write(session: StoredSession): Promise<void> {
    await this.prepare();
    const temporary = join(this.#directory, `session.json.${randomUUID()}`);
    await usable(this.#path, async () => {
      try {
        await writeNew(temporary, JSON.stringify({ format: 1, ...session }));
        await rename(temporary, this.#path);
      } finally {
        await rm(temporary, { force: true });
      }
    });
  }

  async remove(): Promise<void> {
    await usable(this.#path, () => rm(this.#path, { force: true }));
  }

  async #readPrivately(): Promise<string | undefined> {
    const stats = await lstat(this.#path).catch(ignoreMissing);
    if (stats === undefined) return undefined;
    assertPrivate(this.#directory, await lstat(this.#directory), 'directory');
    assertPrivate(this.#path, stats, 'file');
    await using file = await open(this.#path, constants.O_RDONLY | constants.O_NOFOLLOW);
    // Again: another file may be there by now.
    assertPrivate(this.#path, await file.stat(), 'file');
    return await file.readFile('utf8');
  }
}

/** With its parents, one by one: `mkdir` itself asks for ever where a folder takes none, as /proc does. */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    const parent = dirname(path);
    if (codeOf(error) !== 'ENOENT' || (await lstat(parent).catch(ignoreMissing)) !== undefined)
      throw error;
    await makeDirectory(parent);
    await makeDirectory(path);
  }
}

async function writeNew(path: string, text: string): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  await file.writeFile(text);
}

function assertPrivate(path: string, stats: Stats, expected: 'file' | 'directory'): void {
  if (!(expected === 'file' ? stats.isFile() : stats.isDirectory())) {
    throw new CliError(
      'session_file.unsafe',
      `${path} is not a ${expected}; remove it and sign in again`,
    );
  }
  if (process.getuid !== undefined && stats.uid !== process.getuid()) {
    throw new CliError(
      'session_file.unsafe',
      `${path} belongs to another user; remove it and sign in again`,
    );
  }
  if ((stats.mode & GROUP_AND_OTHERS) !== 0) {
    const repair = `chmod ${expected === 'file' ? '600' : '700'} ${path}`;
    throw new CliError('session_file.unsafe', `${path} is open to other users; run: ${repair}`);
  }
}

async function usable<Result>(path: string, act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(
      'session_file.unusable',
      `${path} cannot be used${codeBehind(error)}; let this user write there, or name another folder in SALLYPORT_CONFIG_DIR`,
      error,
    );
  }
}

function ignoreMissing(error: unknown): undefined {
  if (codeOf(error) === 'ENOENT') return undefined;
  throw error;
}

import { constants } from 'node:fs';
import { open, readlink, realpath, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { readAtMost, WITHOUT_WAITING } from '../files/read-at-most.ts';
import { ACCESS_DENIED, codeOf } from '../state/system-error.ts';
import { MOST_BYTES, withoutLineEnd } from './line-end.ts';
import { memberOf } from './member.ts';
import { denied, notThere, unusable, type Provider } from './provider.ts';
import type { ReferenceOf } from './reference.ts';

/** A link may have taken the file's place since it was resolved. */
const FLAGS = WITHOUT_WAITING | constants.O_NOFOLLOW;

/** Who writes a file anew puts another in its place, and may do so again while that is looked for. */
const ATTEMPTS = 3;
/** As many as Linux follows (path_resolution(7)). */
const MAX_LINKS = 40;

/** Files below the listed directories, by where they really are: no link leads out. */
export class FileProvider implements Provider<'file'> {
  readonly #directories: readonly string[];

  constructor(directories: readonly string[]) {
    this.#directories = directories;
  }

  async resolve({ path, field }: ReferenceOf<'file'>): Promise<Buffer> {
    try {
      return memberOf(withoutLineEnd(await this.#read(path)), field);
    } catch (error) {
      const code = codeOf(error);
      if (code === undefined) throw error;
      if (code === 'ENOENT' || code === 'ENOTDIR')
        throw notThere('the file that the secret refers to is not there', 'put it there');
      if (code === ACCESS_DENIED)
        throw denied(
          'Node’s permission model hides the file that the secret refers to, or /proc',
          'start Node with --allow-fs-read= its directory, and with --allow-fs-read=/proc',
        );
      if (code === 'EACCES' || code === 'EPERM')
        throw denied('the file that the secret refers to may not be read by this agent', 'let it');
      throw unusable(`the file that the secret refers to cannot be read (${code})`);
    }
  }

  async #read(path: string): Promise<Buffer> {
    // Before anything is looked at: what lies elsewhere is not told to be there, or not.
    const given = this.#directories.filter((directory) => isBelow(path, directory));
    if (given.length === 0) throw outside();
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const found = await this.#readAt(await this.#resolved(path));
      if (found !== undefined) return found;
    }
    throw outside();
  }

  /** Undefined where something else was put in its place meanwhile. */
  async #readAt(real: string): Promise<Buffer | undefined> {
    try {
      await using file = await open(real, FLAGS);
      // The second is one that was there until another took its place.
      if (![real, `${real} (deleted)`].includes(await whereIs(file, real))) return undefined;
      if (!(await file.stat()).isFile()) throw unusable('what the secret refers to is no file');
      const bytes = await readAtMost(file, MOST_BYTES);
      if (bytes !== undefined) return bytes;
      throw unusable('the file that the secret refers to is too large for a secret');
    } catch (error) {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ELOOP') return undefined;
      throw error;
    }
  }

  /** Where it really is. What lies outside is not told to be there, or not, by way of a link either. */
  async #resolved(path: string): Promise<string> {
    try {
      const real = await realpath(path);
      if (await this.#holds(real)) return real;
    } catch (error) {
      // Which is so whether it is there or not.
      if (codeOf(error) === ACCESS_DENIED) throw error;
      if (await this.#holds(await wouldBe(path))) throw error;
    }
    throw outside();
  }

  async #holds(real: string): Promise<boolean> {
    const directories = await Promise.all(
      this.#directories.map((directory) => realpath(directory).catch(() => undefined)),
    );
    return directories.some((directory) => directory !== undefined && isBelow(real, directory));
  }
}

/** Where a path leads that cannot be resolved: as far as it is there, by where that really is. */
async function wouldBe(path: string, links = MAX_LINKS): Promise<string> {
  const above = dirname(path);
  // Under Node's permission model even the root may be hidden.
  if (above === path) return path;
  const parent = await realpath(above).catch(() => wouldBe(above, links));
  const at = join(parent, basename(path));
  const target = await readlink(at).catch(() => undefined);
  return target === undefined || links === 0 ? at : wouldBe(resolve(parent, target), links - 1);
}

function isBelow(path: string, directory: string): boolean {
  return path.startsWith(join(directory, '/'));
}

/** Of the open file itself, whatever has been renamed meanwhile. */
async function whereIs({ fd }: FileHandle, real: string): Promise<string> {
  return process.platform === 'linux' ? readlink(`/proc/self/fd/${fd}`) : real;
}

function outside() {
  return denied(
    'the file that the secret refers to is outside of the directories that may be read',
    'add its directory to references.file.directories of this agent, or mend the reference',
  );
}

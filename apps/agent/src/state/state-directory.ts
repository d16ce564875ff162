import { constants } from 'node:fs';
import { lstat, mkdir, open } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { destroyFile, removeFile, writeFileAtomically } from './atomic-file.ts';
import { lockDirectory, type DirectoryLock } from './lock.ts';
import { assertPrivate } from './private-path.ts';
import { codeOf, unusable } from './system-error.ts';

/** The files of a state directory. */
export type StateFile =
  | 'identity.json'
  | 'identity.pending.json'
  | 'identity.requested.json'
  | 'imported.json'
  | 'incoming.bundle'
  | 'bundle.json'
  | 'certificate.json'
  | 'generation.json'
  | 'high-water.json'
  | 'listen-identity.json'
  | 'revoked.json'
  | 'trust.json';

/** What can be looked at without the lock. */
export type StateView = Pick<StateDirectory, 'path' | 'join' | 'read'>;

/**
 * The one directory the agent writes to: 0700, its files 0600, all its own; anything looser is refused.
 * It is this process's alone until it is disposed of, or the process ends.
 */
export class StateDirectory implements Disposable {
  readonly path: string;
  readonly #lock: DirectoryLock;

  private constructor(path: string, lock: DirectoryLock) {
    this.path = path;
    this.#lock = lock;
  }

  /**
   * Opens a directory, and makes it first when it is not there.
   *
   * @throws AgentError `state.in_use` while another process has it open, `state.unsafe`, or
   * `state.unusable` when it cannot be made, read or locked
   */
  static async open(given: string): Promise<StateDirectory> {
    const path = resolve(given);
    try {
      await mkdir(path, { recursive: true, mode: 0o700 });
      assertPrivate(path, await lstat(path), 'directory');
      return new StateDirectory(path, await lockDirectory(path));
    } catch (error) {
      throw unusable(path, error);
    }
  }

  /**
   * The directory as it is, for looking alone, also while another process has it open; undefined when it is not
   * there.
   *
   * @throws AgentError `state.unsafe`, `state.unusable`
   */
  static async view(given: string): Promise<StateView | undefined> {
    const path = resolve(given);
    try {
      assertPrivate(path, await lstat(path), 'directory');
      return new StateDirectory(path, { held: false, [Symbol.dispose]: () => {} });
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw unusable(path, error);
    }
  }

  /** False on a file system that is mounted read-only: then another process may have it open as well. */
  get isLocked(): boolean {
    return this.#lock.held;
  }

  [Symbol.dispose](): void {
    this.#lock[Symbol.dispose]();
  }

  join(name: string): string {
    return join(this.path, name);
  }

  /** A file's bytes; undefined when it is not there. Never follows a link. Throws `state.unsafe`, `state.unusable`. */
  async read(name: StateFile): Promise<Buffer | undefined> {
    const path = this.join(name);
    try {
      const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
      try {
        assertPrivate(path, await file.stat(), 'file');
        return await file.readFile();
      } finally {
        await file.close();
      }
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      if (codeOf(error) === 'ELOOP') assertPrivate(path, await lstat(path), 'file');
      throw unusable(path, error);
    }
  }

  async write(name: StateFile, data: string): Promise<void> {
    try {
      await writeFileAtomically(this.join(name), data);
    } catch (error) {
      throw unusable(this.join(name), error);
    }
  }

  /** Removes a file, if it is there, and what a crash left of writing it. */
  async remove(name: StateFile): Promise<void> {
    try {
      await removeFile(this.join(name));
    } catch (error) {
      throw unusable(this.join(name), error);
    }
  }

  /** As `remove`, for a file that holds private keys: it is overwritten first. */
  async destroy(name: StateFile): Promise<void> {
    try {
      await destroyFile(this.join(name));
    } catch (error) {
      throw unusable(this.join(name), error);
    }
  }
}

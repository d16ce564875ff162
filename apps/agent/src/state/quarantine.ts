import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { assertPrivate } from './private-path.ts';
import { codeOf, unusable } from './system-error.ts';

const NEWEST_KEPT = 8;

/** Refused bundle files, kept for whoever investigates: the newest eight, named by time and reason. */
export class Quarantine {
  readonly #path: string;

  constructor(stateDirectory: string) {
    this.#path = join(stateDirectory, 'quarantine');
  }

  /** Moves a file here. `reason` is an error code. Throws AgentError `state.unsafe`, `state.unusable`. */
  async take(path: string, reason: string, nowMs: number): Promise<void> {
    try {
      await mkdir(this.#path, { recursive: true, mode: 0o700 });
      // Else the file would be moved to wherever a link leads.
      assertPrivate(this.#path, await lstat(this.#path), 'directory');
      const time = new Date(nowMs).toISOString().replaceAll(':', '');
      await rename(path, join(this.#path, `${time}-${reason}.json`));
      const surplus = (await this.#names()).slice(0, -NEWEST_KEPT);
      for (const name of surplus) await rm(join(this.#path, name), { force: true });
    } catch (error) {
      throw unusable(this.#path, error);
    }
  }

  async count(): Promise<number> {
    return (await this.#names()).length;
  }

  async clear(): Promise<void> {
    try {
      await rm(this.#path, { recursive: true, force: true });
    } catch (error) {
      throw unusable(this.#path, error);
    }
  }

  async #names(): Promise<string[]> {
    try {
      if (!(await lstat(this.#path)).isDirectory()) return [];
      return (await readdir(this.#path)).toSorted();
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return [];
      throw error;
    }
  }
}

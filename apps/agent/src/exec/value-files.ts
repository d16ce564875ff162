import { lstat, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AgentError } from '../agent-error.ts';
import { fileFault } from '../files/file-fault.ts';
import { writeFileAtomically } from '../state/atomic-file.ts';
import { codeOf } from '../state/system-error.ts';
import type { Injection } from './injection.ts';

/** The files that a command reads its values from: there, mode 0600, from before it starts until it has ended. */
export class ValueFiles implements AsyncDisposable {
  readonly #written = new Set<string>();

  /** Writes those of the values that go into files. @throws AgentError `file.unusable` */
  async write(injections: readonly Injection[], values: readonly string[]): Promise<void> {
    for (const [index, injection] of injections.entries())
      if ('path' in injection) await this.#writeOne(injection.path, values[index] ?? '');
  }

  async #writeOne(path: string, value: string): Promise<void> {
    try {
      await refuseIrregular(path);
      const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
      await writeFileAtomically(path, value, { temporary });
      this.#written.add(path);
    } catch (error) {
      throw fileFault(error, path);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const path of this.#written) {
      try {
        await rm(path, { force: true });
      } catch (error) {
        throw fileFault(error, path);
      }
    }
  }
}

/** A device, a pipe or a link there is somebody's, and a rename would put a file in its place. */
async function refuseIrregular(path: string): Promise<void> {
  const there = await lstat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (there === undefined || there.isFile()) return;
  throw new AgentError('file.unusable', `${path} is there, and is no regular file`, {
    advice: 'name another path, or move what is there',
  });
}

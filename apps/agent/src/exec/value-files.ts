import { rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AgentError } from '../agent-error.ts';
import { fileFault } from '../files/file-fault.ts';
import { refuseIrregular } from '../files/refuse-irregular.ts';
import { writeFileAtomically } from '../state/atomic-file.ts';
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
    const paths = [...this.#written];
    const removed = await Promise.allSettled(paths.map((path) => rm(path, { force: true })));
    const left = paths.filter((_, index) => removed[index]?.status === 'rejected');
    if (left.length === 0) return;
    throw new AgentError('file.unusable', `${left.join(', ')} could not be removed`, {
      advice: 'see what is there by now, and that no secret is left',
    });
  }
}

import type { Log } from '../log.ts';
import type { DevelopmentControlPlane } from './control-plane.ts';
import { stampOf } from './regular-file.ts';
import { readValues } from './values-file.ts';

/**
 * Takes what the file holds by now; a file that is not taken leaves what there was. A file that is written in place
 * is there by halves for a moment: it is read when two looks have found it, and all that it names, unchanged.
 */
export class ValuesFollower {
  readonly #path: string;
  readonly #controlPlane: Pick<DevelopmentControlPlane, 'replace'>;
  readonly #log: Log;
  #files: readonly string[];
  #seen = '';
  #read = '';
  /** Why the file is not taken, as the last look found it. */
  problems: readonly string[] = [];

  constructor(path: string, controlPlane: Pick<DevelopmentControlPlane, 'replace'>, log: Log) {
    this.#path = path;
    this.#files = [path];
    this.#controlPlane = controlPlane;
    this.#log = log;
  }

  async look(): Promise<void> {
    const seen = await this.#stamps();
    const isUnchanged = seen === this.#seen;
    this.#seen = seen;
    if (!isUnchanged || seen === this.#read) return;
    const { contents, problems, files } = await readValues(this.#path);
    this.#files = files;
    // Written meanwhile, or naming files that nobody has looked at yet.
    this.#seen = await this.#stamps();
    if (this.#seen !== seen) return;
    this.#read = seen;
    if (problems.length === 0) this.#controlPlane.replace(contents);
    else if (problems.join() !== this.problems.join()) this.#tell(problems);
    this.problems = problems;
  }

  #tell(problems: readonly string[]): void {
    for (const detail of problems)
      this.#log.error({ detail }, 'the values file is not taken; what it held before still counts');
  }

  async #stamps(): Promise<string> {
    return (await Promise.all(this.#files.map(stampOf))).join('\n');
  }
}

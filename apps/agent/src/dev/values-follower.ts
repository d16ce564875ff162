import { ConfigError } from '@sallyport/config/load';
import type { Log } from '../log.ts';
import type { DevelopmentControlPlane } from './control-plane.ts';
import { readValues } from './values-file.ts';

/** Takes what the file holds by now; a file that is not taken leaves what there was. */
export class ValuesFollower {
  readonly #path: string;
  readonly #controlPlane: Pick<DevelopmentControlPlane, 'replace'>;
  readonly #log: Log;
  /** Why the file is not taken, as the last look found it. */
  problems: readonly string[] = [];

  constructor(path: string, controlPlane: Pick<DevelopmentControlPlane, 'replace'>, log: Log) {
    this.#path = path;
    this.#controlPlane = controlPlane;
    this.#log = log;
  }

  async look(): Promise<void> {
    try {
      this.#controlPlane.replace(await readValues(this.#path));
      this.problems = [];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const told = this.problems.join();
      this.problems = error.problems;
      if (told === error.problems.join()) return;
      for (const detail of error.problems)
        this.#log.error(
          { detail },
          'the values file is not taken; what it held before still counts',
        );
    }
  }
}

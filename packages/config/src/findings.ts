import { keyOf } from './settings.ts';

type Path = ReadonlyArray<PropertyKey>;

/** What is wrong with a configuration, collected so that all of it can be told at once. Never holds a value. */
export class Findings {
  readonly problems: string[] = [];
  readonly warnings: string[] = [];
  readonly #reported = new Set<string>();

  /** `origin` is the file or the variable that the value came from. */
  problem(path: Path, origin: string | undefined, what: string): void {
    const key = keyOf(path);
    this.#reported.add(key);
    const subject = key === '' ? 'the configuration' : key;
    this.problems.push(`${subject}${origin === undefined ? '' : ` (${origin})`}: ${what}`);
  }

  warning(path: Path, origin: string, what: string): void {
    this.warnings.push(`${keyOf(path)} (${origin}): ${what}`);
  }

  /** Whether this key, or a section that it is in, already has a problem. */
  isReported(path: Path): boolean {
    return path.some((_part, index) => this.#reported.has(keyOf(path.slice(0, index + 1))));
  }
}

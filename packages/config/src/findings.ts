import { resourceName } from '@sallyport/contract';
import { keyOf } from './settings.ts';

type Path = ReadonlyArray<PropertyKey>;

/** What is wrong with a configuration, collected so that all of it can be told at once. Never holds a value. */
export class Findings {
  readonly problems: string[] = [];
  readonly warnings: string[] = [];
  /** The line that a key of the file stands on, once the file has been parsed. */
  lineOf: (path: Path) => number | undefined = () => undefined;
  /** Whether a key of the file may be a part of a value, by where it stands. */
  mayBeOfValue: (path: Path) => boolean = () => false;
  readonly #whole: string;
  readonly #reported = new Set<string>();
  readonly #undeclared = new Set<string>();

  /** `whole` is what is wrong where no key is. */
  constructor(whole = 'the configuration') {
    this.#whole = whole;
  }

  /** `origin` is the file or the variable that the value came from. */
  problem(path: Path, origin: string | undefined, what: string): void {
    this.#reported.add(keyOf(path));
    const subject = this.#subject(path);
    this.problems.push(`${subject}${origin === undefined ? '' : ` (${origin})`}: ${what}`);
  }

  warning(path: Path, origin: string, what: string): void {
    this.warnings.push(`${this.#subject(path)} (${origin}): ${what}`);
  }

  /** A key of the file that no schema names is told by its place alone, where it may be a part of a value. */
  undeclared(path: Path): void {
    this.#undeclared.add(keyOf(path));
  }

  /** Whether this key, or a section that it is in, already has a problem. */
  isReported(path: Path): boolean {
    return path.some((_part, index) => this.#reported.has(keyOf(path.slice(0, index + 1))));
  }

  #subject(path: Path): string {
    // In YAML what is no name may be a key and its value, for want of a space: `password:value`.
    const hidden = path.findIndex((part, index) => {
      if (typeof part !== 'string') return false;
      const own = path.slice(0, index + 1);
      const isName = resourceName.safeParse(part).success;
      return !isName || (this.#undeclared.has(keyOf(own)) && this.mayBeOfValue(own));
    });
    if (hidden === -1) return keyOf(path) || this.#whole;
    const parent = hidden === 0 ? '' : ` of ${keyOf(path.slice(0, hidden))}`;
    const line = this.lineOf(path.slice(0, hidden + 1));
    return `a key${parent}${line === undefined ? '' : ` on line ${line}`}`;
  }
}

/** What comes less often is not worth the memory that each connection of the database keeps for it. */
const OFTEN = 3;
/** Each connection keeps that many of one generation at most, until it ends. */
const MOST_NAMES = 300;
const MOST_COUNTED = 1_000;
/** A list with a parameter for each of its values, or rows with one for each of theirs: another text for each length. */
const OF_ANY_LENGTH = /\bIN \(\$\d+,|\bVALUES \([^()]*\),\s*\(/;
/** Of the statement that is not kept (PostgreSQL, message flow of the extended query protocol). */
const UNNAMED = '';

/**
 * Names for the statements that come often: under a name, Postgres parses a statement once for each connection, and
 * plans it a few times at most (PREPARE).
 */
export class StatementNames {
  readonly #names = new Map<string, string>();
  readonly #times = new Map<string, number>();
  #given = 0;
  #generation = 0;

  /** Which names are given, for `renew`. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * Gives other names from now on, under which no connection keeps a plan, unless those of this generation are not given
   * any more: of what runs at the same time, much meets the same migration.
   */
  renew(generation: number): void {
    if (generation !== this.#generation) return;
    this.#generation += 1;
    this.#names.clear();
  }

  /** Empty for a statement that has not come often or is of any length, and for all others once there are enough. */
  nameOf(text: string): string {
    const name = this.#names.get(text);
    if (name !== undefined) return name;
    if (this.#names.size === MOST_NAMES || OF_ANY_LENGTH.test(text)) return UNNAMED;
    const times = (this.#times.get(text) ?? 0) + 1;
    if (times < OFTEN) {
      if (this.#times.size === MOST_COUNTED) this.#times.clear();
      this.#times.set(text, times);
      return UNNAMED;
    }
    this.#times.delete(text);
    this.#given += 1;
    const given = `sallyport_${this.#given}`;
    this.#names.set(text, given);
    return given;
  }
}

/** Numbers that were seen to be missing by one statement. */
export type Notice = {
  /**
   * A transaction id that was given after that statement; unknown until one was. Whoever took one of the numbers
   * has a lower one.
   */
  openUntil: bigint | undefined;
};

/** Numbers of events that have no link. The topmost range has no end, and was noticed by nobody. */
type Range = { first: number; last: number; noticed?: Notice };

/**
 * The numbers of events that the chain has not placed yet: gaps, and all that is to come.
 *
 * A gap is filled late by a transaction that was under way, or never, when it was rolled back. Which of them is
 * told by ids of transactions. An event takes its number after its transaction has an id (trigger
 * `audit_events_announce`), and numbers are given in order. So when a statement sees an event and not the one of
 * a lower number, whoever took the lower one has an id already, and each id that is given from then on is
 * higher. Let x be one such: once a statement sees that all below x are over, and still no event of that
 * number, there will be none. The `xmax` of the first statement would not do for x: it is one more than the
 * last id that is over, and there are transactions under way with higher ones.
 */
export class UnlinkedNumbers {
  #ranges: Range[];

  /** `gaps` are below `next`, in order; every id from `openUntil` on was given after they were seen. */
  constructor(next: number, gaps: readonly { first: number; last: number }[], openUntil: bigint) {
    const noticed = { openUntil };
    this.#ranges = [
      ...gaps.map(({ first, last }) => ({ first, last, noticed })),
      { first: next, last: Infinity },
    ];
  }

  get ranges(): readonly { first: number; last: number }[] {
    return this.#ranges;
  }

  /** Every event up to this number is linked, or never came to be. */
  get lowWater(): number {
    return (this.#ranges[0]?.first ?? 1) - 1;
  }

  /**
   * Takes away what a statement found, and what it showed to be lost for good: all transactions below `xmin` are
   * over. `numbers` are in order; with `cut` there were more, and nothing is known of what follows the last.
   * The gaps that are new are given up once their `openUntil` is set.
   */
  found(numbers: readonly number[], xmin: bigint, cut: boolean): Notice {
    const notice: Notice = { openUntil: undefined };
    const known = cut ? (numbers.at(-1) ?? 0) : Infinity;
    const left: Range[] = [];
    let at = 0;
    for (const { first, last, noticed } of this.#ranges) {
      let from = first;
      const keep = (range: Range) => {
        const openUntil = range.noticed?.openUntil;
        const over = openUntil !== undefined && openUntil <= xmin && range.last <= known;
        if (range.first <= range.last && !over) left.push(range);
      };
      for (let number = numbers[at]; number !== undefined && number <= last; number = numbers[at]) {
        keep({ first: from, last: number - 1, noticed: noticed ?? notice });
        from = number + 1;
        at += 1;
      }
      keep(noticed === undefined ? { first: from, last } : { first: from, last, noticed });
    }
    this.#ranges = left;
    return notice;
  }
}

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { UnlinkedNumbers } from './unlinked.ts';

const rest = (first: number) => ({ first, last: Infinity });
const shown = (unlinked: UnlinkedNumbers) =>
  unlinked.ranges.map(({ first, last }) => ({ first, last }));

describe('the numbers that have no link', () => {
  test('begin with all, and lose what was found', () => {
    const unlinked = new UnlinkedNumbers(1, [], 10n);
    expect([unlinked.lowWater, shown(unlinked)]).toEqual([0, [rest(1)]]);
    unlinked.found([1, 2, 3], 10n, false);
    expect([unlinked.lowWater, shown(unlinked)]).toEqual([3, [rest(4)]]);
  });

  test('keep a gap while a transaction is under way that may fill it, and give it up after', () => {
    const unlinked = new UnlinkedNumbers(1, [], 5n);
    const notice = unlinked.found([1, 4], 7n, false);
    expect([unlinked.lowWater, shown(unlinked)]).toEqual([1, [{ first: 2, last: 3 }, rest(5)]]);
    unlinked.found([], 99n, false);
    expect(shown(unlinked)).toHaveLength(2);
    notice.openUntil = 10n;
    unlinked.found([3], 9n, false);
    expect(shown(unlinked)).toEqual([{ first: 2, last: 2 }, rest(5)]);
    unlinked.found([], 10n, false);
    expect([unlinked.lowWater, shown(unlinked)]).toEqual([4, [rest(5)]]);
  });

  test('keep a gap that was not looked at, since the statement found enough before it', () => {
    const gaps = [
      { first: 3, last: 4 },
      { first: 8, last: 8 },
    ];
    const unlinked = new UnlinkedNumbers(10, gaps, 5n);
    unlinked.found([3], 6n, true);
    expect(shown(unlinked)).toEqual([{ first: 4, last: 4 }, { first: 8, last: 8 }, rest(10)]);
    unlinked.found([], 6n, false);
    expect(shown(unlinked)).toEqual([rest(10)]);
  });

  test('lose no event, however late and out of order transactions commit, and none twice', () => {
    // Each transaction takes an id, then numbers; it commits or rolls back at a time of its own.
    const transaction = fc.record({
      numbers: fc.integer({ min: 1, max: 3 }),
      endsAfter: fc.nat(12),
      commits: fc.boolean(),
    });
    const run = fc.array(transaction, { maxLength: 40 });
    fc.assert(
      fc.property(run, fc.integer({ min: 1, max: 4 }), (transactions, limit) => {
        const world = new World(transactions);
        const unlinked = new UnlinkedNumbers(1, [], 0n);
        const linked: number[] = [];
        const look = (atMost: number) => {
          const visible = world.visible(unlinked.ranges);
          const taken = visible.slice(0, atMost);
          const notice = unlinked.found(taken, world.xmin(), visible.length > atMost);
          linked.push(...taken);
          notice.openUntil = world.giveId();
        };
        for (let step = 0; step < transactions.length + 14; step += 1) {
          world.step();
          look(limit);
        }
        look(Infinity);
        look(Infinity);
        expect(linked.toSorted((a, b) => a - b)).toEqual(world.committed());
        expect(unlinked.ranges).toHaveLength(1);
      }),
      { numRuns: 1_000 },
    );
  });
});

type Transaction = { numbers: number; endsAfter: number; commits: boolean };

/** One transaction begins with each step. */
class World {
  readonly #plan: Transaction[];
  readonly #begun: { id: number; numbers: number[]; endsAt: number; commits: boolean }[] = [];
  #now = 0;
  #nextNumber = 1;
  #nextId = 1;

  constructor(plan: Transaction[]) {
    this.#plan = plan;
  }

  step(): void {
    const next = this.#plan[this.#now];
    this.#now += 1;
    if (next === undefined) return;
    const numbers = Array.from({ length: next.numbers }, () => this.#nextNumber++);
    const endsAt = this.#now + next.endsAfter;
    this.#begun.push({ id: this.#nextId++, numbers, endsAt, commits: next.commits });
  }

  /** Of a transaction that is over at once. */
  giveId(): bigint {
    const id = this.#nextId++;
    this.#begun.push({ id, numbers: [], endsAt: this.#now, commits: true });
    return BigInt(id);
  }

  /** The lowest id under way, or one more than the highest that is over. */
  xmin(): bigint {
    const open = this.#begun.filter(({ endsAt }) => endsAt > this.#now).map(({ id }) => id);
    const over = this.#begun.filter(({ endsAt }) => endsAt <= this.#now).map(({ id }) => id);
    return BigInt(open.length > 0 ? Math.min(...open) : Math.max(0, ...over) + 1);
  }

  committed(): number[] {
    return this.#begun
      .filter(({ endsAt, commits }) => commits && endsAt <= this.#now)
      .flatMap(({ numbers }) => numbers);
  }

  visible(ranges: readonly { first: number; last: number }[]): number[] {
    return this.committed().filter((number) =>
      ranges.some(({ first, last }) => number >= first && number <= last),
    );
  }
}

import type { Refusal } from './authority.ts';

/** What to do to the next request of a path: refuse it, hang up before it is handled, or after, or answer no HTTP. */
export type Fault =
  | Refusal
  | { status: number; headers?: Record<string, string> }
  | 'hang up'
  | 'talk nonsense'
  | 'lose reply';

/** Faults to commit, in order, for the paths that begin as they were queued for. */
export class FaultQueue {
  readonly #faults = new Map<string, Fault[]>();

  add(path: string, faults: readonly Fault[]): void {
    this.#faults.set(path, [...(this.#faults.get(path) ?? []), ...faults]);
  }

  next(path: string): Fault | undefined {
    const queue = [...this.#faults].find(
      ([prefix, faults]) => faults.length > 0 && path.startsWith(prefix),
    );
    return queue?.[1].shift();
  }
}

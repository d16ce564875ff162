import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Identity } from '../state/identity.ts';
import type { Replica } from './replica.ts';

type Group = Identity['group'];

export type MoveParts = {
  replica: Pick<Replica, 'group' | 'moveTo'>;
  clock: Pick<Clock, 'sleep'>;
  log: Log;
  /** Ends a pull that is under way: it names what is held of the group before. */
  interrupt: () => void;
  /** Forgets the values that are held. */
  wipe: () => void;
  /** Has the disk follow; never rejects. */
  keep: (group: Group) => Promise<void>;
};

/** How long values of the group before are served, at most, while the new one's first bundle is on its way. */
export const TAKE_OVER_WITHIN_MS = 60_000;

/**
 * An operator's move of this agent to another group. What is held of the one before is served until the new one's
 * first bundle takes its place, or for a minute; then it is gone from memory and disk.
 */
export class Move {
  readonly #parts: MoveParts;
  #pending: AbortController | undefined;
  #timeUp: Promise<void> | undefined;

  constructor(parts: MoveParts) {
    this.#parts = parts;
  }

  /** The control plane says which group the agent is in. */
  learn(group: Group): void {
    const { replica, log, interrupt } = this.#parts;
    if (group.id === replica.group.id) return;
    log.warn({ group: group.name }, 'this agent was moved to this group');
    replica.moveTo(group);
    this.#pending?.abort();
    this.#pending = new AbortController();
    this.#timeUp = this.#endInTime(this.#pending.signal);
    interrupt();
  }

  /** The new group's first bundle runs. */
  async complete(): Promise<void> {
    if (this.#pending === undefined) return;
    this.#pending.abort();
    this.#pending = undefined;
    await this.#parts.keep(this.#parts.replica.group);
  }

  /** The agent ends; what is on disk is still of the group before, and it learns of the move again. */
  async stop(): Promise<void> {
    this.#pending?.abort();
    this.#pending = undefined;
    await this.#timeUp;
  }

  async #endInTime(over: AbortSignal): Promise<void> {
    const { clock, log, wipe } = this.#parts;
    await clock.sleep(TAKE_OVER_WITHIN_MS, over);
    if (over.aborted) return;
    log.error(
      {},
      'no bundle of the new group came in time: the values of the one before are wiped',
    );
    wipe();
    await this.complete();
  }
}

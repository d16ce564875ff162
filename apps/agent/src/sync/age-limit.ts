import { AgentError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Contact } from './contact.ts';

export type AgeLimitParts = {
  contact: Pick<Contact, 'ageSeconds' | 'failures'>;
  clock: Pick<Clock, 'monotonic' | 'sleep'>;
  /** Undefined: values may be of any age. */
  maxStaleSeconds: number | undefined;
  holdsValues: () => boolean;
  wipe: () => void;
  log: Log;
};

const LOOK_EVERY_MS = 1_000;
/** What an agent that just started, or a host that woke up, gets to reach the control plane after all. */
const LAST_CHANCE_MS = 30_000;
/** The first to fail may be a pull that was open when the host fell asleep. */
const LAST_ATTEMPTS = 2;

/**
 * Keeps values from being served that the control plane has not confirmed for too long: they are wiped as soon as
 * that is seen, and the agent gives up when its next attempts to reach the control plane fail as well.
 */
export class AgeLimit {
  readonly #parts: AgeLimitParts;
  #isOver = false;

  constructor(parts: AgeLimitParts) {
    this.#parts = parts;
  }

  /** Wipes what is too old. */
  look(): void {
    const { contact, maxStaleSeconds, holdsValues, wipe, log } = this.#parts;
    if (maxStaleSeconds === undefined || !holdsValues()) return;
    if (contact.ageSeconds() <= maxStaleSeconds) return;
    wipe();
    this.#isOver = true;
    log.error(
      { code: 'values.too_old' },
      'the control plane has not confirmed the values for too long: they are wiped from memory',
    );
  }

  /** Looks until `signal` aborts. Resolves early, with the reason, when the agent is to give up. */
  async run(signal: AbortSignal): Promise<AgentError | undefined> {
    const { clock, maxStaleSeconds } = this.#parts;
    if (maxStaleSeconds === undefined) return undefined;
    while (!signal.aborted) {
      this.look();
      if (this.#isOver) await this.#lastChance(maxStaleSeconds, signal);
      if (this.#isOver && !signal.aborted) return tooOld(maxStaleSeconds);
      await clock.sleep(LOOK_EVERY_MS, signal);
    }
    return undefined;
  }

  /** It is over no longer when the control plane is reached. */
  async #lastChance(maxStaleSeconds: number, signal: AbortSignal): Promise<void> {
    const { contact, clock } = this.#parts;
    const until = clock.monotonic() + LAST_CHANCE_MS;
    const lastFailure = contact.failures + LAST_ATTEMPTS;
    while (clock.monotonic() < until && contact.failures < lastFailure) {
      await clock.sleep(LOOK_EVERY_MS, signal);
      if (signal.aborted) return;
      if (contact.ageSeconds() <= maxStaleSeconds) {
        this.#isOver = false;
        return;
      }
    }
  }
}

function tooOld(maxStaleSeconds: number): AgentError {
  return new AgentError(
    'values.too_old',
    `the control plane has not confirmed the values for more than the ${maxStaleSeconds} s of maxStaleSeconds`,
    { advice: 'start the agent again once the control plane can be reached' },
  );
}

import { MAX_PULL_WAIT_SECONDS } from '@sallyport/contract';
import type { AgentError } from '../agent-error.ts';
import { elapsedMs, momentOf, type Clock, type Moment } from '../clock.ts';

/** After this long without a word a link counts as silent, even if nothing has failed yet. */
const SILENCE_MS = (MAX_PULL_WAIT_SECONDS + 20) * 1000;

/**
 * `refused`: the control plane answers, and does not serve this agent. `distrusted`: it sends bundles
 * that this agent does not accept.
 */
export type ContactState = 'connecting' | 'connected' | 'unreachable' | 'refused' | 'distrusted';
export type ContactError = {
  code: string;
  message: string;
  advice: string | undefined;
  atMs: number;
};

/** Two clocks that are read one after the other differ a little each time; by more than this, one was set. */
const CLOCK_SET_MS = 1000;

/**
 * What the agent knows of its link: whether it holds, since when, and how old that makes the values. While it holds
 * ages are told by the monotonic clock, since the host's may be set while the agent runs; out of contact they are
 * strict, by the clock that says more.
 */
export class Contact {
  readonly #clock: Pick<Clock, 'now' | 'monotonic'>;
  readonly #started: Moment;
  #state: ContactState = 'connecting';
  #sinceMs: number;
  #made = false;
  #last: Moment | undefined;
  #lastError: ContactError | undefined;
  #failures = 0;
  #confirmations = 0;

  constructor(clock: Pick<Clock, 'now' | 'monotonic'>) {
    this.#clock = clock;
    this.#started = momentOf(this.#clock);
    this.#sinceMs = this.#started.epoch;
  }

  /**
   * Values from before this process were current at that time (milliseconds since the epoch). A time yet
   * to come tells only that a clock was wrong, and leaves it unknown.
   */
  restore(contactAtMs: number): void {
    const { monotonic, epoch } = momentOf(this.#clock);
    const agoMs = epoch - contactAtMs;
    if (agoMs >= 0) this.#last = { monotonic: monotonic - agoMs, epoch: contactAtMs };
  }

  /** As `restore`, where nothing later is known. */
  vouched(atMs: number): void {
    if (this.lastMs === undefined || this.lastMs < atMs) this.restore(atMs);
  }

  /** The control plane served the agent just now. Returns whether it had not before. */
  made(): boolean {
    this.#made = true;
    this.#confirmations += 1;
    this.#last = momentOf(this.#clock);
    this.#lastError = undefined;
    return this.#enter('connected');
  }

  /** A pull, or what it brought, failed. Returns whether that is news. */
  failed(error: AgentError): boolean {
    const known = this.#lastError?.code === error.code;
    this.#failures += 1;
    this.#lastError = {
      code: error.code,
      message: error.message,
      advice: error.advice,
      atMs: this.#clock.now(),
    };
    return this.#enter(stateAfter(error)) || !known;
  }

  get state(): ContactState {
    return this.#state;
  }

  get sinceMs(): number {
    return this.#sinceMs;
  }

  get lastError(): ContactError | undefined {
    return this.#lastError;
  }

  /** How many attempts have failed so far. */
  get failures(): number {
    return this.#failures;
  }

  /** How many times the control plane has served the agent so far. */
  get confirmations(): number {
    return this.#confirmations;
  }

  /** Whether this process has reached the control plane at all. */
  get hasBeenMade(): boolean {
    return this.#made;
  }

  /** When the control plane last confirmed the values (milliseconds since the epoch); undefined where that is unknown. */
  get lastMs(): number | undefined {
    return this.#last === undefined ? undefined : this.#epochMs(this.#last);
  }

  /** Whole seconds since the control plane last confirmed the values; at least those since the start. */
  ageSeconds(): number {
    return Math.floor(this.#silenceMs() / 1000);
  }

  /** The time up to which the values are known to be current, or of the start, when that is not now. */
  staleSinceMs(): number | undefined {
    const silent = this.#silenceMs() > SILENCE_MS;
    return this.#state === 'connected' && !silent
      ? undefined
      : this.#epochMs(this.#last ?? this.#started);
  }

  #silenceMs(): number {
    const last = this.#last ?? this.#started;
    const silenceMs = this.#clock.monotonic() - last.monotonic;
    const holds = this.#state === 'connected' && silenceMs <= SILENCE_MS;
    return holds || last === this.#started ? silenceMs : elapsedMs(this.#clock, last);
  }

  /** In whole milliseconds, by the host's clock as it is set now; a contact is no later for a clock that was set forward. */
  #epochMs(moment: Moment): number {
    const now = momentOf(this.#clock);
    const setByMs = now.epoch - moment.epoch - (now.monotonic - moment.monotonic);
    const isForward = setByMs > 0 && moment !== this.#started;
    if (isForward || Math.abs(setByMs) < CLOCK_SET_MS) return moment.epoch;
    return Math.max(0, Math.floor(moment.epoch + setByMs));
  }

  #enter(state: ContactState): boolean {
    if (this.#state === state) return false;
    this.#state = state;
    this.#sinceMs = this.#clock.now();
    return true;
  }
}

function stateAfter({ code, status }: AgentError): ContactState {
  if (status !== undefined) return status < 500 ? 'refused' : 'unreachable';
  return /^(bundle|delivery_key|reply)\./.test(code) ? 'distrusted' : 'unreachable';
}

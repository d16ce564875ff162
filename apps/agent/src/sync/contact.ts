import { MAX_PULL_WAIT_SECONDS } from '@sallyport/contract';
import type { AgentError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';

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

/** What the agent knows of its link: whether it holds, since when, and how old that makes the values. */
export class Contact {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #startedAtMs: number;
  #state: ContactState = 'connecting';
  #sinceMs: number;
  #made = false;
  #lastMs: number | undefined;
  #lastError: ContactError | undefined;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
    this.#startedAtMs = clock.now();
    this.#sinceMs = this.#startedAtMs;
  }

  /** Values from before this process were current at that time (milliseconds since the epoch). */
  restore(contactAtMs: number): void {
    this.#lastMs = contactAtMs;
  }

  /** The control plane served the agent just now. Returns whether it had not before. */
  made(): boolean {
    this.#made = true;
    this.#lastMs = this.#clock.now();
    this.#lastError = undefined;
    return this.#enter('connected');
  }

  /** A pull, or what it brought, failed. Returns whether that is news. */
  failed(error: AgentError): boolean {
    const known = this.#lastError?.code === error.code;
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

  /** Whether this process has reached the control plane at all. */
  get hasBeenMade(): boolean {
    return this.#made;
  }

  /** When the control plane last confirmed the values; undefined before it ever did. */
  get lastMs(): number | undefined {
    return this.#lastMs;
  }

  /** Whole seconds since the control plane last confirmed the values, or since the start. */
  ageSeconds(): number {
    return Math.max(
      0,
      Math.floor((this.#clock.now() - (this.#lastMs ?? this.#startedAtMs)) / 1000),
    );
  }

  /** The time up to which the values are known to be current, when that is not now. */
  staleSinceMs(): number | undefined {
    const last = this.#lastMs ?? this.#startedAtMs;
    const silent = this.#clock.now() - last > SILENCE_MS;
    return this.#state === 'connected' && !silent ? undefined : last;
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

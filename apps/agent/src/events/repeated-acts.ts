import type { AgentAction, Application } from '@sallyport/contract';
import type { RecordEvent } from './agent-events.ts';

/** One act of a program, of which there may be thousands a second. */
export type Act = {
  action: AgentAction;
  subject: string;
  outcome: 'done' | 'refused';
  application: Application;
  code: string | null;
  version: number | null;
};

type Counted = Act & { at: string; count: number };

const WINDOW_MS = 60_000;
/** What is of more kinds than this within a window is counted together, by who did it. */
const MAX_KINDS = 1_024;
/** So many acts a window, of each user at each place, whose program named its request have an event each. */
const MAX_TRACED = 600;
/** Users and places that have such a share. */
const MAX_TRACERS = 256;

/** The subject of what was counted together. */
const OTHERS = 'others';

/**
 * Acts that repeat: like ones of a minute are one event with their number, whichever processes of a user they were: a
 * program that is started for each reading would make an event each time. One whose program named its request is an
 * event of its own, as long as there are not too many of them.
 */
export class RepeatedActs {
  readonly #record: RecordEvent;
  readonly #now: () => number;
  readonly #counted = new Map<string, Counted>();
  readonly #timer: NodeJS.Timeout;
  readonly #traced = new Map<string, number>();

  constructor(record: RecordEvent, now: () => number, windowMs = WINDOW_MS) {
    this.#record = record;
    this.#now = now;
    this.#timer = setInterval(() => this.flush(), windowMs).unref();
  }

  /** `requestId` is what the program named, undefined where it named none. */
  note(act: Act, requestId: string | undefined): void {
    // Whoever is refused would use up what others have.
    const isRefused = act.action === 'value:refuse';
    if (requestId !== undefined && !isRefused && this.#mayTrace(act.application))
      return this.#record({ ...act, requestId });
    const { action, subject, outcome, code, version, application } = act;
    const { listener, pid, uid } = application;
    const key = `${action} ${subject} ${outcome} ${code} ${version} ${listener} ${uid}`;
    const before = this.#counted.get(key);
    if (before !== undefined) {
      before.count += 1;
      if (before.application.pid !== pid) before.application = { ...application, pid: null };
      return;
    }
    const isOther = this.#counted.size >= MAX_KINDS && subject !== OTHERS;
    if (isOther)
      return this.note({ ...act, subject: OTHERS, version: null, code: null }, undefined);
    this.#counted.set(key, { ...act, at: new Date(this.#now()).toISOString(), count: 1 });
  }

  #mayTrace({ listener, uid }: Application): boolean {
    const tracer = `${listener} ${uid}`;
    const traced = this.#traced.get(tracer) ?? 0;
    if (traced >= MAX_TRACED || (traced === 0 && this.#traced.size >= MAX_TRACERS)) return false;
    this.#traced.set(tracer, traced + 1);
    return true;
  }

  /** Records an act by itself, for what is done seldom. */
  record(act: Act, requestId: string): void {
    this.#record({ ...act, requestId });
  }

  /** Records what was counted so far. */
  flush(): void {
    for (const counted of this.#counted.values()) this.#record(counted);
    this.#counted.clear();
    this.#traced.clear();
  }

  close(): void {
    clearInterval(this.#timer);
    this.flush();
  }
}

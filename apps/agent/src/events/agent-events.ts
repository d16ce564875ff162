import { randomUUID } from 'node:crypto';
import { MAX_EVENTS, PROTOCOL, type AgentAction, type AgentEvent } from '@sallyport/contract';
import { AgentError, faultOf } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import type { ControlPlane } from '../link/control-plane.ts';
import type { Log } from '../log.ts';
import { Backoff } from '../sync/backoff.ts';
import type { EventSpool } from './event-spool.ts';

/** An act as it is recorded; what is left out is not known, or was done now, once, and well. */
export type NewEvent = Partial<AgentEvent> & { action: AgentAction; subject: string };

/** Records an act. Never fails, and never waits. */
export type RecordEvent = (event: NewEvent) => void;

export type EventsParts = {
  spool: Pick<EventSpool, 'append' | 'oldest' | 'remove' | 'waiting'>;
  /** The id of the group that the agent is in when it starts. */
  group: string;
  clock: Pick<Clock, 'now' | 'sleep'>;
  random: () => number;
  log: Log;
};

type Reporter = Pick<ControlPlane, 'reportEvents'>;

/** How long events wait in memory: together they are one write to the disk, and one report. */
const GATHER_MS = 1_000;
/** Between half and all of it lies between two reports: a group's agents do not all report at once. */
const REPORT_EVERY_MS = 15_000;
/** In memory, while the disk does not take them. */
const MAX_GATHERED = 5 * MAX_EVENTS;

/**
 * The agent's own audit: what happens on this host goes to disk, sealed, and from there to the control plane, oldest
 * first, however long that is away. What does not fit is dropped, counted, and told.
 */
export class AgentEvents {
  readonly #parts: EventsParts;
  readonly #stopping = new AbortController();
  #group: () => string;
  #gathered: AgentEvent[] = [];
  #untold = 0;
  #dropped = 0;
  #running: Promise<unknown> | undefined;
  #stopped: Promise<void> | undefined;
  /** Ends the pause of whoever waits for events. */
  #wake = () => {};

  constructor(parts: EventsParts) {
    this.#parts = parts;
    this.#group = () => parts.group;
    this.#stopping.signal.addEventListener('abort', () => {
      this.#wake();
      this.#shipSoon();
    });
  }

  readonly record: RecordEvent = (event) => {
    if (this.#stopped !== undefined) return;
    if (this.#gathered.length >= MAX_GATHERED) return this.#drop(1);
    this.#gathered.push(this.#complete(event));
    this.#wake();
  };

  /** `dropped` since the start, `untold` of them not told yet; `waiting` are batches that the control plane does not have. */
  state(): { waiting: number; dropped: number; untold: number } {
    return { waiting: this.#parts.spool.waiting, dropped: this.#dropped, untold: this.#untold };
  }

  #complete(event: NewEvent): AgentEvent {
    return {
      at: new Date(this.#parts.clock.now()).toISOString(),
      outcome: 'done',
      requestId: null,
      application: null,
      count: 1,
      code: null,
      version: null,
      ...event,
    };
  }

  /** Brings what is recorded to disk and to the control plane, until `stop`. */
  start(controlPlane: Reporter, group: () => string): void {
    this.#group = group;
    // What the start itself brought goes out with the first report.
    this.#running ??= this.#keep().then(() =>
      Promise.all([this.#keepAll(), this.#shipAll(controlPlane)]),
    );
  }

  /** What is recorded by then is on disk when this resolves; what is not reported yet goes out after the next start. */
  stop(): Promise<void> {
    this.#stopped ??= this.#end().then(() => this.#keep());
    return this.#stopped;
  }

  /** The same, but nothing more goes to disk. */
  discard(): Promise<void> {
    this.#stopped ??= this.#end();
    return this.#stopped;
  }

  async #end(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #keepAll(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      if (this.#gathered.length === 0) await this.#somethingNew(signal);
      await clock.sleep(GATHER_MS, signal);
      if (!signal.aborted) await this.#keep();
    }
  }

  async #somethingNew(signal: AbortSignal): Promise<void> {
    if (!signal.aborted) await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#wake = () => {};
  }

  /** What is gathered by now, in batches; the first that the disk does not take is tried again later. */
  async #keep(): Promise<void> {
    const { spool } = this.#parts;
    for (let left = this.#gathered.length; left > 0;) {
      const batch = this.#gathered.slice(0, Math.min(left, MAX_EVENTS));
      const told = this.#untold === 0 ? [] : [this.#dropsUntold()];
      const events = [...told, ...batch].slice(0, MAX_EVENTS);
      const kept = await spool.append(randomUUID(), { group: this.#group(), events });
      if (kept === 'later') return;
      // Where there was no room for what tells of others, the last one waits for the next batch.
      const taken = Math.min(batch.length, MAX_EVENTS - told.length);
      this.#gathered.splice(0, taken);
      left -= taken;
      if (kept === 'full')
        this.#drop(batch.slice(0, taken).reduce((sum, { count }) => sum + count, 0));
      else {
        if (told.length > 0) this.#untold = 0;
        this.#shipSoon();
      }
    }
  }

  #dropsUntold(): AgentEvent {
    return this.#complete({ action: 'events:drop', subject: 'agent', count: this.#untold });
  }

  #drop(count: number): void {
    if (this.#untold === 0)
      this.#parts.log.error(
        { code: 'events.dropped' },
        'audit events are dropped: too many wait for the control plane',
      );
    this.#untold += count;
    this.#dropped += count;
  }

  /** Ends the pause of whoever waits for batches. */
  #shipSoon = () => {};

  async #shipAll(controlPlane: Reporter): Promise<void> {
    const { clock, random } = this.#parts;
    const { signal } = this.#stopping;
    const backoff = new Backoff(random);
    while (!signal.aborted) {
      try {
        await this.#batchThere(signal);
        while (!signal.aborted && (await this.#shipOldest(controlPlane, signal))) backoff.reset();
        await clock.sleep((REPORT_EVERY_MS * (1 + random())) / 2, signal);
      } catch (error) {
        if (signal.aborted) return;
        const fault = faultOf(error);
        this.#parts.log.debug({ code: fault.code }, 'audit events wait for the control plane');
        await clock.sleep(backoff.next(fault), signal);
      }
    }
  }

  async #batchThere(signal: AbortSignal): Promise<void> {
    // A batch may have come since the last look.
    if (!signal.aborted && this.#parts.spool.waiting === 0)
      await new Promise<void>((resolve) => (this.#shipSoon = resolve));
    this.#shipSoon = () => {};
  }

  /** False when there is none. A batch that the control plane cannot read would stop all that follow it. */
  async #shipOldest(controlPlane: Reporter, signal: AbortSignal): Promise<boolean> {
    const { spool } = this.#parts;
    const oldest = await spool.oldest();
    if (oldest === undefined) return false;
    const { batch, group, events } = oldest;
    try {
      await controlPlane.reportEvents({ protocol: PROTOCOL, batch, group, events }, signal);
    } catch (error) {
      if (!(error instanceof AgentError) || error.code !== 'request.invalid') throw error;
      this.#drop(events.reduce((sum, { count }) => sum + count, 0));
    }
    await spool.remove(oldest.name);
    this.#parts.log.debug({ count: events.length }, 'audit events reported');
    return true;
  }
}

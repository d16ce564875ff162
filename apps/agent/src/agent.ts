import type { Diagnosis } from '@sallyport/contract';
import { ValueCache, type Change } from './cache/value-cache.ts';
import { systemClock, type Clock } from './clock.ts';
import type { Link } from './link/call.ts';
import { ControlPlane } from './link/control-plane.ts';
import type { Credentials } from './link/credentials.ts';
import { ServerClock } from './link/server-clock.ts';
import { Session } from './link/session.ts';
import { silentLog, type Log } from './log.ts';
import type { DurableStore } from './state/durable-store.ts';
import type { Generations } from './state/generations.ts';
import type { Identity } from './state/identity.ts';
import { Contact } from './sync/contact.ts';
import { Replica, type Applied } from './sync/replica.ts';
import { runSyncLoop, type SyncParts } from './sync/sync-loop.ts';
import { diagnose, type DiagnosisParts } from './tasks/diagnose.ts';
import { TaskRunner } from './tasks/task-runner.ts';

export type AgentParts = {
  identity: Identity;
  /** The agent's own; it closes it. */
  link: Link;
  clock?: Clock;
  random?: () => number;
  log?: Log;
  /** Absent: nothing touches a disk. */
  durableStore?: DurableStore;
  /** Reads the agent token with which sessions are opened; absent: by the key alone. */
  readToken?: () => Promise<string>;
  /** What the link trusts and shows; absent: what the agent enrolled with is never replaced. */
  credentials?: Credentials;
  /** Absent: a copy of this agent's state goes unnoticed. */
  generations?: Generations;
  /** Called once, after memory was wiped, when the control plane has revoked this agent. */
  onRevoked?: () => Promise<void>;
};

/** A revision just swapped in; `atMs` is of the clock's `monotonic`. */
export type AppliedEvent = { revision: number; epoch: number; changes: Change[]; atMs: number };

const emptyDisk: Diagnosis['disk'] = {
  durableBundleBytes: null,
  durableRevision: null,
  freeBytes: 0,
  quarantined: 0,
};

/** An agent without disk (but for the given store) and without local API; many fit one process. */
export class Agent {
  readonly cache: ValueCache;
  readonly contact: Contact;
  readonly serverClock: ServerClock;
  readonly #parts: AgentParts & Required<Pick<AgentParts, 'clock' | 'random' | 'log'>>;
  readonly #replica: Replica;
  readonly #tasks: TaskRunner;
  readonly #sync: SyncParts;
  readonly #listeners = new Set<(event: AppliedEvent) => void>();
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #isRevoked = false;

  constructor(given: AgentParts) {
    const parts = { clock: systemClock, random: Math.random, log: silentLog, ...given };
    const { identity, clock, random, log, durableStore } = parts;
    this.#parts = parts;
    this.cache = new ValueCache(identity.group.id);
    this.contact = new Contact(clock);
    this.serverClock = new ServerClock(clock);
    this.#replica = new Replica(identity, this.cache);
    const { serverClock } = this;
    const session = new Session({ ...parts, serverClock });
    const controlPlane = new ControlPlane(session);
    const diagnosis = this.#diagnosis();
    this.#tasks = new TaskRunner({
      controlPlane,
      clock,
      random,
      log,
      diagnose: () => diagnose(diagnosis),
    });
    this.#sync = {
      session,
      controlPlane,
      replica: this.#replica,
      contact: this.contact,
      tasks: this.#tasks,
      clock,
      random,
      log,
      onApplied: (applied) => this.#announce(applied),
      keep: async (copy) => durableStore?.keep(copy),
      isDegraded: () => durableStore?.state().error !== undefined,
    };
  }

  get isRevoked(): boolean {
    return this.#isRevoked;
  }

  /** Serves what an earlier run kept on disk, if it is still good. To be called before `start`. */
  async restore(): Promise<void> {
    const restored = await this.#parts.durableStore?.restore(async (stored, floor) => {
      this.#replica.raiseFloor(floor);
      return this.#replica.restore(stored);
    });
    if (restored === undefined) return;
    this.#replica.raiseFloor(restored.highWater.revision);
    if (restored.applied === undefined) return;
    // 0 is the mark of an enrolment: a crash came between the first bundle and its own mark.
    if (restored.highWater.contactAtMs > 0) this.contact.restore(restored.highWater.contactAtMs);
    const { revision, epoch, changes } = restored.applied;
    this.#parts.log.info(
      { revision, epoch, entries: changes.length, fromDisk: true },
      'revision applied',
    );
  }

  /** Goes online and stays so until `stop` or revocation. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends requests under way, closes the link and forgets all values. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([this.#running, this.#tasks.stop()]);
    this.#parts.link.close();
    this.#replica.wipe();
  }

  /** Calls `listener` after every swap, before anything is written to disk. Returns what ends that. */
  onApplied(listener: (event: AppliedEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #run(): Promise<void> {
    const refusal = await runSyncLoop(this.#sync, this.#stopping.signal);
    if (refusal === undefined) return;
    this.#isRevoked = true;
    this.#replica.wipe();
    this.contact.failed(refusal);
    this.#parts.log.error(
      { code: refusal.code },
      'the control plane has revoked this agent: values and delivery key are wiped from memory',
    );
    await this.#parts.onRevoked?.();
  }

  #announce({ revision, epoch, changes }: Applied): void {
    const event = { revision, epoch, changes, atMs: this.#parts.clock.monotonic() };
    for (const listener of this.#listeners) listener(event);
  }

  #diagnosis(): DiagnosisParts {
    const { clock, link, durableStore } = this.#parts;
    return {
      cache: this.cache,
      clock,
      startedAtMs: clock.monotonic(),
      serverClock: this.serverClock,
      link,
      describeDisk: async () => durableStore?.describe() ?? emptyDisk,
    };
  }
}

/** Puts an agent together from its identity, its link and, where it keeps anything, its store. */
export function createAgent(parts: AgentParts): Agent {
  return new Agent(parts);
}

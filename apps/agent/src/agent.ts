import type { Diagnosis } from '@sallyport/contract';
import type { AgentError } from './agent-error.ts';
import { ValueCache } from './cache/value-cache.ts';
import { systemClock, type Clock } from './clock.ts';
import type { AgentEvents } from './events/agent-events.ts';
import { Freshness } from './freshness.ts';
import { KeyMemory } from './host/key-memory.ts';
import { Leases } from './leases/leases.ts';
import type { Link } from './link/call.ts';
import { ControlPlane } from './link/control-plane.ts';
import type { Credentials } from './link/credentials.ts';
import { ServerClock } from './link/server-clock.ts';
import { Session } from './link/session.ts';
import { silentLog, type Log } from './log.ts';
import { HeldReferences } from './references/held-references.ts';
import type { Resolver } from './references/resolver.ts';
import type { DurableStore } from './state/durable-store.ts';
import type { Generations } from './state/generations.ts';
import type { Identity } from './state/identity.ts';
import { AgeLimit } from './sync/age-limit.ts';
import { Contact } from './sync/contact.ts';
import { Move } from './sync/move.ts';
import { Replica, type Applied, type DurableCopy } from './sync/replica.ts';
import { runSyncLoop, type SyncParts } from './sync/sync-loop.ts';
import { Wake } from './sync/wake.ts';
import { diagnose, type DiagnosisParts } from './tasks/diagnose.ts';
import { TaskRunner } from './tasks/task-runner.ts';

export type AgentParts = {
  identity: Identity;
  /** The agent's own; it closes it. */
  link: Link;
  clock?: Clock;
  random?: () => number;
  log?: Log;
  /** Absent: keys are in memory like any other. */
  keyMemory?: KeyMemory;
  /** Absent: nothing touches a disk. */
  durableStore?: DurableStore;
  /** Reads the agent token with which sessions are opened; absent: by the key alone. */
  readToken?: () => Promise<string>;
  /** What the link trusts and shows; absent: what the agent enrolled with is never replaced. */
  credentials?: Credentials;
  /** Absent: a copy of this agent's state goes unnoticed. */
  generations?: Generations;
  /** Finds what references lead to; the agent stops it. Absent: they lead nowhere. */
  references?: Resolver;
  /** How old values may be that the control plane does not confirm; absent: any age. */
  maxStaleSeconds?: number | undefined;
  /** How old each secret may be; absent: any age. */
  freshness?: Freshness;
  /** Keeps on disk which group the agent is in; absent: it is told again after every start. */
  keepGroup?: (group: Identity['group']) => Promise<void>;
  /** Records the agent's own acts; absent: nobody is told of them. */
  events?: AgentEvents;
  /** Called once, after memory was wiped, when the control plane has revoked this agent. */
  onRevoked?: () => Promise<void>;
};

/** A revision just swapped in; `atMs` is of the clock's `monotonic`. */
export type AppliedEvent = Omit<Applied, 'durableCopy'> & { atMs: number };

const emptyDisk: Diagnosis['disk'] = {
  durableBundleBytes: null,
  durableRevision: null,
  freeBytes: 0,
  quarantined: 0,
};

/**
 * An agent, put together from its identity, its link and, where it keeps anything, its store. It has no local API and
 * touches no other disk; many fit one process.
 */
export class Agent {
  readonly cache: ValueCache;
  readonly contact: Contact;
  readonly freshness: Freshness;
  readonly leases: Leases;
  readonly references: HeldReferences;
  readonly serverClock: ServerClock;
  readonly keyMemory: KeyMemory;
  readonly #parts: AgentParts & Required<Pick<AgentParts, 'clock' | 'random' | 'log'>>;
  readonly #replica: Replica;
  readonly #move: Move;
  readonly #tasks: TaskRunner;
  readonly #sync: SyncParts;
  readonly #controlPlane: ControlPlane;
  readonly #ageLimit: AgeLimit;
  readonly #gaveUp = Promise.withResolvers<AgentError>();
  readonly #listeners = new Set<(event: AppliedEvent) => void>();
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  readonly #outdated = new Wake();
  #watching: Promise<void> | undefined;
  #isRevoked = false;

  constructor(given: AgentParts) {
    const parts = { clock: systemClock, random: Math.random, log: silentLog, ...given };
    const { identity, clock, random, log, durableStore } = parts;
    this.#parts = parts;
    this.keyMemory = parts.keyMemory ?? KeyMemory.ordinary();
    this.cache = new ValueCache(identity.group.id, this.keyMemory);
    this.references = new HeldReferences(this.cache, parts.references);
    this.contact = new Contact(clock);
    this.freshness = parts.freshness ?? new Freshness([]);
    this.serverClock = new ServerClock(clock);
    this.#replica = new Replica(identity, this.cache, this.keyMemory);
    const { cache, contact, serverClock } = this;
    this.#ageLimit = new AgeLimit({
      contact,
      clock,
      maxStaleSeconds: parts.maxStaleSeconds,
      holdsValues: () => cache.revision() !== undefined,
      wipe: () => this.wipe(),
      log,
    });
    this.#move = new Move({
      replica: this.#replica,
      clock,
      log,
      interrupt: () => this.#outdated.now(),
      wipe: () => this.wipe(),
      keep: async (group) => durableStore?.moveOn(async () => parts.keepGroup?.(group)),
    });
    const onGroup = (group: Identity['group']) => this.#move.learn(group);
    const answered = new Wake();
    if (parts.credentials !== undefined) parts.credentials.onReplaced = () => answered.now();
    const session = new Session({ ...parts, serverClock, onGroup, onAnswer: () => answered.now() });
    const controlPlane = new ControlPlane(session);
    this.#controlPlane = controlPlane;
    this.leases = new Leases({ ...parts, controlPlane, keyMemory: this.keyMemory });
    const diagnosis = this.#diagnosis();
    this.#tasks = new TaskRunner({ ...parts, controlPlane, diagnose: () => diagnose(diagnosis) });
    this.#sync = {
      session,
      controlPlane,
      replica: this.#replica,
      contact,
      tasks: this.#tasks,
      leases: this.leases,
      clock,
      random,
      log,
      onApplied: (applied) => this.#announce(applied),
      // Both at once: the store writes them in the right order.
      keep: async (copy) =>
        void (await Promise.all([this.#move.complete(), durableStore?.keep(copy)])),
      isDegraded: () => durableStore?.state().error !== undefined,
      outdated: () => this.#outdated.signal,
      answered: () => answered.signal,
    };
  }

  /** The group that it is in, as far as it knows. */
  get group(): Identity['group'] {
    return this.#replica.group;
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
    this.#ageLimit.look();
  }

  /** Serves what was brought on a medium, where it is news, and keeps it; the control plane vouched for it at `issuedAtMs`. */
  async takeImported(brought: Omit<DurableCopy, 'revision'>, issuedAtMs: number): Promise<void> {
    const applied = await this.#replica.restore(brought);
    // A revocation that came while it was opened has wiped what was there before.
    if (this.#isRevoked) return this.#forget();
    this.contact.vouched(issuedAtMs);
    if (applied === undefined) return;
    this.#announce(applied);
    this.#ageLimit.look();
    await this.#parts.durableStore?.keep(applied.durableCopy, issuedAtMs);
  }

  /** Resolves with the reason when the agent is to end by itself; never otherwise. */
  get gaveUp(): Promise<AgentError> {
    return this.#gaveUp.promise;
  }

  /** Goes online and stays so until `stop` or revocation. */
  start(): void {
    this.#running ??= this.#run();
    this.#parts.events?.start(this.#controlPlane, () => this.group.id);
    this.#watching ??= this.#watchAge();
  }

  /** Ends requests under way, closes the link and forgets all values. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const { link, events, references } = this.#parts;
    await Promise.all([
      this.#running,
      this.#watching,
      this.#tasks.stop(),
      this.#move.stop(),
      events?.stop(),
      references?.stop(),
    ]);
    link.close();
    await this.#sync.session.settled();
    this.#forget();
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
    this.#forget();
    this.contact.failed(refusal);
    this.#parts.log.error(
      { code: refusal.code },
      'the control plane has revoked this agent: values and delivery key are wiped from memory',
    );
    await this.#move.stop();
    // Events that are written later would be there again after the wipe.
    await this.#parts.events?.discard();
    await this.#parts.onRevoked?.();
  }

  /** Forgets what is held in memory, and has it pulled again where it can be. */
  wipe(): void {
    this.#parts.events?.record({ action: 'values:wipe', subject: `group:${this.group.name}` });
    this.#forget();
    this.#outdated.now();
  }

  #forget(): void {
    this.#replica.wipe();
    this.leases.wipe();
    this.#parts.references?.wipe();
  }

  async #watchAge(): Promise<void> {
    const reason = await this.#ageLimit.run(this.#stopping.signal);
    if (reason !== undefined && !this.#isRevoked) this.#gaveUp.resolve(reason);
  }

  #announce({ revision, epoch, changes, isAnew }: Applied): void {
    const { clock, references } = this.#parts;
    const event = { revision, epoch, changes, isAnew, atMs: clock.monotonic() };
    for (const { kind, name } of changes) if (kind === 'reference') references?.drop(name);
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

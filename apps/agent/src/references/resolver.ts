import { AgentError } from '../agent-error.ts';
import type { HeldEntry } from '../cache/value-cache.ts';
import { elapsedMs, momentOf, type Clock } from '../clock.ts';
import type { Freshness } from '../freshness.ts';
import type { KeyMemory } from '../host/key-memory.ts';
import { logDefect } from '../log-defect.ts';
import type { Log } from '../log.ts';
import { FollowedReferences } from './followed-references.ts';
import type { GuardedProviders, ProviderState } from './guarded-providers.ts';
import { parseReference, type Reference } from './reference.ts';
import { SealedValues, type ReferencedValue } from './sealed-values.ts';

/** How many values are held, and how many refusals. */
const MAX_ENTRIES = 1_000;
/** For so long what is not there, or may not be read, is not asked for again. */
const REFUSED_MS = 5_000;
/** A provider takes more calls at a time; the rest is for programs. */
const LOOKS_AT_ONCE = 2;

const OUTAGES: ReadonlySet<string> = new Set([
  'reference.unreachable',
  'reference.rate_limited',
  'agent.busy',
]);

export type ResolverParts = {
  providers: GuardedProviders;
  settings: { cacheSeconds: number; staleSeconds: number };
  /** What is set for some secrets in place of that. */
  freshness: Freshness;
  clock: Pick<Clock, 'now' | 'monotonic'>;
  random: () => number;
  log: Log;
  keyMemory: KeyMemory;
};

/** The value of a reference. `etag` is another one for every other value (RFC 9110, section 8.8.3). */
export type Resolved = {
  etag: string;
  /** Since it was asked for. */
  ageSeconds: number;
  /** It is older than it should be, and its provider does not answer. */
  isStale: boolean;
  /** In plaintext; the caller zeroes it. To be called at once. */
  open(): Buffer;
};

type Flight = { of: string; isOver: boolean };
type Refusal = { of: string; error: AgentError; untilMs: number };

/**
 * Finds the values of references when programs ask for them, and not before. A value is served for its `cacheSeconds`;
 * who asks for the same meanwhile waits for the same call. After that it is served only while its provider does not
 * answer, for `staleSeconds` more, and says so.
 */
export class Resolver {
  /** Told when a reference leads to another value than when it was last asked for; the new one is held then. */
  onChanged: (entry: HeldEntry) => void = () => {};
  readonly #parts: ResolverParts;
  readonly #values: SealedValues;
  readonly #followed: FollowedReferences;
  readonly #flights = new Map<string, { flight: Flight; found: Promise<ReferencedValue> }>();
  readonly #refusals = new Map<string, Refusal>();

  constructor(parts: ResolverParts) {
    this.#parts = parts;
    this.#values = new SealedValues(MAX_ENTRIES, parts.keyMemory);
    this.#followed = new FollowedReferences(parts.random);
  }

  /**
   * The value that a reference leads to; `readUri` gives its URI, which is zeroed.
   *
   * @throws AgentError `reference.*`, `agent.busy`, `agent.not_ready` when the reference changed meanwhile
   */
  async resolve(entry: HeldEntry, readUri: () => Buffer): Promise<Resolved> {
    const { cachedMs, servedMs } = this.#limitsOf(entry.name);
    const held = this.#heldFor(entry);
    if (held !== undefined && this.#ageMs(held) < cachedMs) {
      this.#parts.providers.hit(held.scheme);
      return this.#resolved(entry, held, false);
    }
    try {
      return this.#resolved(entry, await this.#obtain(entry, readUri), false);
    } catch (error) {
      const kept = this.#heldFor(entry);
      const mayBeOld = error instanceof AgentError && isOutage(error) && kept !== undefined;
      if (!mayBeOld || this.#ageMs(kept) >= servedMs) throw error;
      this.#parts.providers.hit(kept.scheme);
      return this.#resolved(entry, kept, true);
    }
  }

  /** What is there now, past everything that is held: for what the agent itself needs. @throws AgentError `reference.*` */
  async resolveFresh(reference: Reference): Promise<Buffer> {
    return this.#parts.providers.resolveAnyway(reference);
  }

  /**
   * Asks again for what programs have asked for, where its time is over and `find` gives it. A failure is nothing to
   * tell: whoever asks is told.
   */
  async lookAgain(
    find: (name: string) => HeldEntry | undefined,
    readUri: (entry: HeldEntry) => Buffer,
  ): Promise<void> {
    const names = this.#followed.names().values();
    const lookAtEach = async () => {
      for (const name of names) {
        // A program may have asked while another one was looked at.
        if (!this.#followed.isDue(name, this.#parts.clock)) continue;
        const entry = find(name);
        if (entry !== undefined) await this.#look(entry, () => readUri(entry));
      }
    };
    await Promise.all(Array.from({ length: LOOKS_AT_ONCE }, lookAtEach));
  }

  /** The reference is another now, or gone. */
  drop(name: string): void {
    this.#followed.drop(name);
    this.#values.drop(name);
    this.#refusals.delete(name);
    const flying = this.#flights.get(name);
    if (flying !== undefined) flying.flight.isOver = true;
    this.#flights.delete(name);
  }

  /** Drops what is too old to be served. */
  async refresh(): Promise<void> {
    this.#values.dropWhere((name, value) => this.#ageMs(value) >= this.#limitsOf(name).servedMs);
  }

  /** Forgets every value, beyond recovery. */
  wipe(): void {
    this.#followed.wipe();
    this.#values.wipe();
    for (const { flight } of this.#flights.values()) flight.isOver = true;
    this.#flights.clear();
    this.#refusals.clear();
  }

  /** Gives up what is under way, and forgets everything. */
  async stop(): Promise<void> {
    this.wipe();
    await this.#parts.providers.stop();
  }

  /** Every provider that was asked. */
  states(): ProviderState[] {
    return this.#parts.providers.states();
  }

  /** For how long the value of a secret is served, and for how long where its provider does not answer. */
  #limitsOf(name: string): { cachedMs: number; servedMs: number } {
    const { settings, freshness } = this.#parts;
    const { cacheSeconds = settings.cacheSeconds, staleSeconds = settings.staleSeconds } =
      freshness.of(name);
    return { cachedMs: cacheSeconds * 1000, servedMs: (cacheSeconds + staleSeconds) * 1000 };
  }

  #heldFor({ name, etag }: HeldEntry): ReferencedValue | undefined {
    const held = this.#values.find(name);
    return held?.of === etag ? held : undefined;
  }

  #ageMs({ at }: ReferencedValue): number {
    return elapsedMs(this.#parts.clock, at);
  }

  #resolved({ name, version }: HeldEntry, value: ReferencedValue, isStale: boolean): Resolved {
    return {
      etag: `"${version}-${value.mark}"`,
      ageSeconds: Math.floor(this.#ageMs(value) / 1000),
      isStale,
      open: () => {
        if (this.#values.find(name) !== value) throw changed();
        return this.#values.open(name, value);
      },
    };
  }

  async #look(entry: HeldEntry, readUri: () => Buffer): Promise<void> {
    try {
      await this.#obtain(entry, readUri);
    } catch (error) {
      if (!(error instanceof AgentError)) logDefect(this.#parts.log, error);
    }
  }

  #obtain(entry: HeldEntry, readUri: () => Buffer): Promise<ReferencedValue> {
    const { name, etag: of } = entry;
    const flying = this.#flights.get(name);
    if (flying?.flight.of === of) return flying.found;
    this.#refuseAgain(entry);
    const flight = { of, isOver: false };
    const found = this.#find(entry, readUri, flight).finally(() => {
      if (this.#flights.get(name)?.flight === flight) this.#flights.delete(name);
    });
    this.#flights.set(name, { flight, found });
    return found;
  }

  async #find(entry: HeldEntry, readUri: () => Buffer, flight: Flight): Promise<ReferencedValue> {
    const { name, etag: of } = entry;
    try {
      const at = momentOf(this.#parts.clock);
      this.#followed.asked(entry, at, this.#limitsOf(name).cachedMs);
      const reference = referenceIn(readUri(), name);
      const value = await this.#parts.providers.resolve(reference);
      try {
        if (flight.isOver) throw changed();
        this.#refusals.delete(name);
        const { scheme } = reference;
        const held = this.#values.seal(name, value, { of, scheme, at });
        if (this.#followed.found(entry, held.mark)) this.onChanged(entry);
        return held;
      } finally {
        value.fill(0);
      }
    } catch (error) {
      if (!flight.isOver) this.#letGo(entry, error);
      throw error;
    }
  }

  #refuseAgain({ name, etag }: HeldEntry): void {
    const refusal = this.#refusals.get(name);
    if (refusal?.of === etag && this.#parts.clock.monotonic() < refusal.untilMs)
      throw refusal.error;
  }

  /** A value that its provider does not give any more is not kept for an outage. */
  #letGo(entry: HeldEntry, error: unknown): void {
    if (error instanceof AgentError && isOutage(error)) return;
    this.#followed.lost(entry);
    this.#values.drop(entry.name);
    if (error instanceof AgentError && !error.retryable) this.#refuse(entry, error);
  }

  #refuse({ name, etag: of }: HeldEntry, error: AgentError): void {
    const before = this.#refusals.get(name);
    this.#refusals.delete(name);
    for (const [oldest] of this.#refusals) {
      if (this.#refusals.size < MAX_ENTRIES) break;
      this.#refusals.delete(oldest);
    }
    const untilMs = this.#parts.clock.monotonic() + REFUSED_MS;
    this.#refusals.set(name, { of, error, untilMs });
    if (before?.error.code === error.code) return;
    const { code, message: detail } = error;
    this.#parts.log.warn({ code, detail, name }, 'a reference cannot be resolved');
  }
}

/** What may pass by itself, and says nothing of whether the agent may still have the value. */
function isOutage({ code, retryable }: AgentError): boolean {
  return OUTAGES.has(code) || (code === 'reference.failed' && retryable);
}

function referenceIn(uri: Buffer, name: string): Reference {
  try {
    return parseReference(uri.toString(), `the secret ${name}`);
  } finally {
    uri.fill(0);
  }
}

function changed(): AgentError {
  return new AgentError('agent.not_ready', 'the secret has just changed', {
    advice: 'ask again',
    retryable: true,
  });
}

import { createHash } from 'node:crypto';
import { faultOf, framesOf, type AgentError } from '../agent-error.ts';
import type { Agent } from '../agent.ts';
import type { Clock } from '../clock.ts';
import type { AgentEvents } from '../events/agent-events.ts';
import type { Log } from '../log.ts';
import type { DurableStore } from '../state/durable-store.ts';
import type { Identity } from '../state/identity.ts';
import { encodeImportedMark, readImportedMark, type ImportedMark } from '../state/imported-mark.ts';
import { Quarantine } from '../state/quarantine.ts';
import type { StateDirectory } from '../state/state-directory.ts';
import { readIncoming } from './bundle-file.ts';

export type ImportedBundlesParts = {
  state: StateDirectory;
  identity: Identity;
  agent: Agent;
  durableStore: DurableStore;
  events: Pick<AgentEvents, 'record'>;
  clock: Pick<Clock, 'now' | 'monotonic'>;
  log: Log;
};

/** What `status` says of imports. `error` is why the last bundle was refused, or that what was imported has expired. */
export type ImportState = Partial<ImportedMark> & { error?: string | undefined };

/** How often the time is kept: a clock that is set back while the agent is stopped gains no more than this. */
const KEEP_TIME_EVERY_MS = 5 * 60_000;

/**
 * Bundles that come on a medium: takes what waits in the state directory, and forgets it when its time is over,
 * unless the control plane was reached since.
 */
export class ImportedBundles {
  readonly #parts: ImportedBundlesParts;
  readonly #quarantine: Quarantine;
  #mark: ImportedMark | undefined;
  #isLoaded = false;
  /** The newest time that is known, and when it was, by the clock that nobody sets. */
  #newest: { epochMs: number; atMs: number } | undefined;
  #contactsBefore = 0;
  #hasExpired = false;
  /** Why the last bundle that was brought was not taken. */
  #refusal: string | undefined;
  /** Of what was looked at last: what cannot be removed is not taken again and again. */
  #seen: string | undefined;
  #looking = Promise.resolve();

  constructor(parts: ImportedBundlesParts) {
    this.#parts = parts;
    this.#quarantine = new Quarantine(parts.state.path);
  }

  state(): ImportState {
    return { ...this.#mark, error: this.#hasExpired ? 'bundle.expired' : this.#refusal };
  }

  /** To be called before anything is served, and every few seconds from then on. */
  async look(): Promise<void> {
    if (this.#parts.agent.isRevoked) return;
    this.#looking = this.#look();
    await this.#looking;
  }

  /** Resolves once nothing is written any more of what was begun. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#looking]);
  }

  async #look(): Promise<void> {
    if (!this.#isLoaded) await this.#load();
    await this.#takeIncoming();
    await this.#keepTime();
    await this.#endExpired();
  }

  async #load(): Promise<void> {
    const { state, identity, durableStore, log, clock } = this.#parts;
    const mark = await readImportedMark(state, identity.highWaterKey);
    this.#isLoaded = true;
    if (mark === undefined) return;
    const isOwn = mark !== 'forged';
    // Of a mark that nobody vouches for it is not known when it ends, so that it has ended.
    this.#mark = isOwn
      ? mark
      : {
          revision: durableStore.newestRevision,
          issuedAtMs: 0,
          expiresAtMs: 0,
          newestMs: clock.now(),
        };
    this.#see(this.#mark.newestMs);
    if (!isOwn)
      log.error(
        { code: 'high_water.unreadable' },
        'imported.json is damaged, or not this agent’s own',
      );
  }

  async #takeIncoming(): Promise<void> {
    let digest: string | undefined;
    try {
      const jws = await readIncoming(this.#parts.state);
      if (jws === undefined) return;
      digest = createHash('sha256').update(jws).digest('base64url');
      if (digest !== this.#seen) await this.#take(jws);
      this.#seen = digest;
      await this.#parts.state.remove('incoming.bundle');
    } catch (error) {
      await this.#refuse(error, digest);
    }
  }

  async #take(jws: Buffer): Promise<void> {
    const { identity, agent, durableStore, log } = this.#parts;
    // Only with a bundle at hand: an agent that never sees one does not load what verifies them.
    const { verifyBundle } = await import('./verify-bundle.ts');
    const addressee = {
      identity: { agentId: identity.agentId, group: agent.group },
      encryptionKey: identity.encryptionKey,
    };
    const nowMs = this.#nowMs();
    const newest = {
      revision: durableStore.newestRevision,
      issuedAtMs: this.#mark?.issuedAtMs ?? 0,
    };
    const verified = await verifyBundle(jws, identity.verificationKeyring, addressee, {
      ...newest,
      nowMs,
    });
    const { bundle, issuedAtMs, expiresAtMs } = verified;
    const { revision, deliveryKey, durable } = bundle;
    const newestMs = Math.max(nowMs, issuedAtMs);
    // First: what is served must never be without its end.
    await this.#keepMark({ revision, issuedAtMs, expiresAtMs, newestMs });
    this.#see(newestMs);
    this.#contactsBefore = agent.contact.confirmations;
    this.#hasExpired = false;
    this.#refusal = undefined;
    await agent.takeImported({ deliveryKey, durable }, issuedAtMs);
    if (!agent.isRevoked) log.info({ revision, expiresAt: bundle.expiresAt }, 'bundle imported');
  }

  /** A disk that failed may be better at the next look; a bundle that is no good will not. */
  async #refuse(error: unknown, digest: string | undefined): Promise<void> {
    const { state, clock, events } = this.#parts;
    const { code } = this.#report(error, 'the bundle that was brought is not taken');
    if (code === 'state.unusable' || code === 'agent.internal') return;
    this.#refusal = code;
    this.#seen = digest;
    events.record({ action: 'bundle:quarantine', subject: 'bundle', outcome: 'refused', code });
    try {
      await this.#quarantine.take(state.join('incoming.bundle'), code, clock.now());
    } catch (cause) {
      this.#report(cause, 'the bundle that was refused cannot be quarantined, and is removed');
      await state.remove('incoming.bundle').catch(() => {});
    }
  }

  async #keepTime(): Promise<void> {
    const mark = this.#mark;
    if (mark === undefined || mark.expiresAtMs === null) return;
    const newestMs = this.#nowMs();
    if (newestMs - mark.newestMs < KEEP_TIME_EVERY_MS) return;
    this.#see(newestMs);
    await this.#keepMarkIfPossible({ ...mark, newestMs });
  }

  async #endExpired(): Promise<void> {
    const { agent, durableStore, log } = this.#parts;
    const mark = this.#mark;
    if (mark === undefined || mark.expiresAtMs === null) return;
    if (this.#isSuperseded(mark)) {
      this.#hasExpired = false;
      return this.#keepMarkIfPossible({ ...mark, expiresAtMs: null });
    }
    if (this.#nowMs() < mark.expiresAtMs) return;
    if (!this.#hasExpired)
      log.error(
        { code: 'bundle.expired', revision: mark.revision },
        'the imported bundle has expired: its values are wiped from memory and disk',
      );
    if (!this.#hasExpired || agent.cache.revision() !== undefined) {
      agent.wipe();
      await durableStore.wipe();
    }
    this.#hasExpired = true;
  }

  /** The control plane vouches for what runs now. */
  #isSuperseded({ revision }: ImportedMark): boolean {
    const { contact, cache } = this.#parts.agent;
    const held = cache.revision()?.revision ?? 0;
    return contact.confirmations > this.#contactsBefore || held > revision;
  }

  /** Never before the newest time that was seen, however the clock is set. */
  #nowMs(): number {
    const { clock } = this.#parts;
    const { epochMs, atMs } = this.#newest ?? { epochMs: 0, atMs: clock.monotonic() };
    return Math.max(clock.now(), Math.floor(epochMs + clock.monotonic() - atMs));
  }

  #see(epochMs: number): void {
    this.#newest = { epochMs, atMs: this.#parts.clock.monotonic() };
  }

  async #keepMark(mark: ImportedMark): Promise<void> {
    const { state, identity } = this.#parts;
    await state.write('imported.json', encodeImportedMark(mark, identity.highWaterKey));
    this.#mark = mark;
  }

  async #keepMarkIfPossible(mark: ImportedMark): Promise<void> {
    this.#mark = mark;
    try {
      await this.#keepMark(mark);
    } catch (error) {
      this.#report(error, 'what was imported last could not be noted on disk');
    }
  }

  #report(error: unknown, message: string): AgentError {
    const fault = faultOf(error);
    const { code, message: detail } = fault;
    this.#parts.log.error({ code, detail, stack: framesOf(fault) }, message);
    return fault;
  }
}

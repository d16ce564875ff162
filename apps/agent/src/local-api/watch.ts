import type { IncomingMessage, ServerResponse } from 'node:http';
import { AgentError } from '../agent-error.ts';
import type { Agent, AppliedEvent } from '../agent.ts';
import { keepFresh } from '../files/keep-fresh.ts';
import type { Log } from '../log.ts';
import type { Access } from './answers.ts';
import type { Rights } from './rights.ts';
import { refuseWhenRevoked } from './values.ts';

const KEEP_ALIVE_MS = 15_000;
/** A watcher that lets this much pile up is cut off; it learns of everything when it comes back. */
const MAX_BACKLOG_BYTES = 256 * 1024;
/** A watcher that does not read the rest of its ended stream within this time is cut off. */
const END_WITHIN_MS = 1_000;
/** Changes that are remembered for watchers that come back. */
const MAX_REMEMBERED = 4_096;
/** How often the agent looks for references whose values are due to be asked for again. */
const LOOK_EVERY_MS = 1_000;

type Change = AppliedEvent['changes'][number];
type ToldChange = Change & { text: string };
/** One revision as watchers are told of it. */
type Told = { revision: number; changes: readonly ToldChange[] };

/**
 * `GET /v1/watch`: server-sent events. `revision` comes first and with every new revision, and is the
 * event id; `change` comes before it for every entry that differs, `removed` being true for one that is
 * gone. Values are never sent: a watcher reads them. Of what a watcher may not read it is told the revision alone.
 * Whoever comes back with the id of its last event (`Last-Event-ID`) is told what it missed, or by `reset` that
 * this is not known any more, and everything is to be read again. So are all once the values come back that were wiped.
 *
 * While somebody watches, references that programs have read are asked for again, each once its time is over. One that
 * leads to another value is a `change` within the revision that runs. None of these is remembered, and none can be when
 * the agent was started anew meanwhile: whoever comes back is told of every reference that it may read.
 */
export class WatchHub {
  readonly #agent: Agent;
  readonly #watchers = new Map<ServerResponse, Access>();
  readonly #keepAlive: NodeJS.Timeout;
  readonly #subscriptions: readonly (() => void)[];
  readonly #log: Log;
  #following: NodeJS.Timeout | undefined;
  /** Oldest first, without a gap from the revision after `#floor` up to the one that runs. */
  #remembered: Told[] = [];
  #floor: number | undefined;
  /** Up to here a number may have stood for another state before. */
  #ambiguous = 0;

  constructor(agent: Agent, log: Log) {
    this.#agent = agent;
    this.#log = log;
    this.#floor = agent.cache.revision()?.revision;
    this.#keepAlive = setInterval(() => this.#send(() => ': alive\n\n'), KEEP_ALIVE_MS).unref();
    this.#subscriptions = [
      agent.onApplied((applied) => this.#announce(applied)),
      agent.references.onChanged(({ name, version }) => this.#announceValue(name, version)),
    ];
  }

  /** Tells a program of what it may read. @throws AgentError `agent.busy`, `agent.revoked`: nothing changes any more */
  add({ headers }: IncomingMessage, response: ServerResponse, access: Access): void {
    refuseWhenRevoked(this.#agent);
    const { rights, maxWatchers } = access;
    const already = [...this.#watchers.values()].filter((other) => other === access).length;
    if (already >= maxWatchers) {
      throw new AgentError('agent.busy', `${maxWatchers} programs watch already`, {
        advice: 'close one, or poll with If-None-Match',
      });
    }
    const revision = this.#agent.cache.revision()?.revision ?? 0;
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(this.#missedSince(headers['last-event-id'], revision, rights));
    response.write(event('revision', revision, { revision }));
    this.#watchers.set(response, access);
    this.#follow();
    response.once('close', () => this.#forget(response));
  }

  /** Ends the streams of those who were let in by this access. */
  endOf(access: Access): void {
    for (const [watcher, other] of this.#watchers) if (other === access) this.#end(watcher);
  }

  /** Tells every watcher that the agent was revoked, and ends their streams. */
  revoke(): void {
    this.#send(() => 'event: revoked\ndata: {}\n\n');
    for (const watcher of this.#watchers.keys()) this.#end(watcher);
  }

  close(): void {
    clearInterval(this.#keepAlive);
    for (const unsubscribe of this.#subscriptions) unsubscribe();
    for (const watcher of this.#watchers.keys()) {
      this.#forget(watcher);
      watcher.destroy();
    }
  }

  /** Only what somebody watches is asked for. */
  #follow(): void {
    const look = () => this.#agent.references.lookAgain((name) => this.#isWatched(name));
    this.#following ??= keepFresh(look, this.#log, { everyMs: LOOK_EVERY_MS }).unref();
  }

  #isWatched(name: string): boolean {
    return [...this.#watchers.values()].some(({ rights }) => rights.allows('reference', name));
  }

  #forget(watcher: ServerResponse): void {
    this.#watchers.delete(watcher);
    if (this.#watchers.size > 0) return;
    clearInterval(this.#following);
    this.#following = undefined;
  }

  /** Nothing is written after the end, also where the end waits for a reader. */
  #end(watcher: ServerResponse): void {
    this.#forget(watcher);
    watcher.end();
    setTimeout(() => watcher.destroy(), END_WITHIN_MS).unref();
  }

  #announce({ revision, changes, isAnew }: AppliedEvent): void {
    const told = {
      revision,
      changes: asPrograms(changes).map((change) => toldAt(revision, change)),
    };
    this.#remember(told, isAnew);
    const first = isAnew ? event('reset', revision, {}) : '';
    const last = event('revision', revision, { revision });
    this.#send((rights) => first + textFor(told.changes, rights) + last);
  }

  #announceValue(name: string, version: number): void {
    const change = asSecret({ kind: 'reference', name, version, removed: false });
    const told = toldAt(this.#agent.cache.revision()?.revision ?? 0, change);
    this.#send((rights) => textFor([told], rights));
  }

  #remember(told: Told, isAnew: boolean): void {
    const newest = this.#remembered.at(-1)?.revision ?? this.#floor ?? 0;
    // Numbers start anew in another group, and when a control plane was set back.
    if (isAnew || told.revision <= newest) {
      this.#remembered = [];
      this.#floor = undefined;
      this.#ambiguous = Math.max(this.#ambiguous, newest);
    }
    this.#remembered.push(told);
    let held = this.#remembered.reduce((sum, { changes }) => sum + changes.length + 1, 0);
    for (const { revision, changes } of this.#remembered) {
      if (held <= MAX_REMEMBERED) break;
      held -= changes.length + 1;
      this.#floor = revision;
    }
    this.#remembered = this.#remembered.filter(({ revision }) => revision > (this.#floor ?? 0));
  }

  /** What happened after the revision that a watcher was last told of; nothing where it was told of none. */
  #missedSince(given: string | string[] | undefined, current: number, rights: Rights): string {
    if (given === undefined) return '';
    const last = /^\d{1,15}$/.test(String(given)) ? Number(given) : undefined;
    const isKnown =
      last === this.#floor || this.#remembered.some(({ revision }) => revision === last);
    if (last === undefined || last <= this.#ambiguous || !isKnown)
      return event('reset', current, {});
    return this.#remembered
      .filter(({ revision }) => revision > last)
      .map(({ changes }) => textFor(changes, rights))
      .concat(textFor(this.#references(current), rights))
      .join('');
  }

  #references(revision: number): ToldChange[] {
    const held = this.#agent.cache.list('reference');
    return held.map(({ kind, name, version }) =>
      toldAt(revision, asSecret({ kind, name, version, removed: false })),
    );
  }

  #send(text: (rights: Rights) => string): void {
    for (const [watcher, { rights }] of this.#watchers) {
      const told = text(rights);
      if (watcher.writableLength > MAX_BACKLOG_BYTES) watcher.destroy();
      else if (told !== '') watcher.write(told);
    }
  }
}

/** Programs know references as the secrets that they lead to; one that took the place of the other is not gone. */
function asPrograms(changes: readonly Change[]): Change[] {
  const told = changes.map(asSecret);
  const brought = new Set(told.filter(({ removed }) => !removed).map(keyOf));
  return told.filter((change) => !change.removed || !brought.has(keyOf(change)));
}

function asSecret(change: Change): Change {
  return change.kind === 'reference' ? { ...change, kind: 'secret' } : change;
}

/** Without an id: who is cut off amid a revision has not been told of it. */
function toldAt(revision: number, change: Change): ToldChange {
  return {
    ...change,
    text: `event: change\ndata: ${JSON.stringify({ ...change, revision })}\n\n`,
  };
}

function keyOf({ kind, name }: Change): string {
  return `${kind}:${name}`;
}

function textFor(changes: readonly ToldChange[], { allows }: Rights): string {
  return changes
    .filter(({ kind, name }) => allows(kind, name))
    .map(({ text }) => text)
    .join('');
}

function event(name: string, revision: number, data: Record<string, unknown>): string {
  return `id: ${revision}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

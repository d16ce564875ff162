import type { IncomingMessage, ServerResponse } from 'node:http';
import { AgentError } from '../agent-error.ts';
import type { Agent, AppliedEvent } from '../agent.ts';
import type { Access } from './answers.ts';
import type { Rights } from './rights.ts';
import { refuseWhenRevoked } from './values.ts';

const KEEP_ALIVE_MS = 15_000;
/** A watcher that lets this much pile up is cut off; it learns of everything when it comes back. */
const MAX_BACKLOG_BYTES = 256 * 1024;
/** A watcher whose stream has ended and that does not read what is left of it is cut off then. */
const END_WITHIN_MS = 1_000;
/** Changes that are remembered for watchers that come back. */
const MAX_REMEMBERED = 4_096;

/** One revision as watchers are told of it. */
type Told = {
  revision: number;
  changes: readonly (AppliedEvent['changes'][number] & { text: string })[];
};

/**
 * `GET /v1/watch`: server-sent events. `revision` comes first and with every new revision, and is the
 * event id; `change` comes before it for every entry that differs, `removed` being true for one that is
 * gone. Values are never sent: a watcher reads them. Of what a watcher may not read it is told the revision alone.
 * Whoever comes back with the id of its last event (`Last-Event-ID`) is told what it missed, or by `reset` that
 * this is not known any more, and everything is to be read again. So are all once the values come back that were wiped.
 */
export class WatchHub {
  readonly #agent: Agent;
  readonly #watchers = new Map<ServerResponse, Access>();
  readonly #keepAlive: NodeJS.Timeout;
  readonly #unsubscribe: () => void;
  /** Oldest first, without a gap from the revision after `#floor` up to the one that runs. */
  #remembered: Told[] = [];
  #floor: number | undefined;
  /** Up to here a number may be of another state than the one that has it now. */
  #ambiguous = 0;

  constructor(agent: Agent) {
    this.#agent = agent;
    this.#floor = agent.cache.revision()?.revision;
    this.#keepAlive = setInterval(() => this.#send(() => ': alive\n\n'), KEEP_ALIVE_MS).unref();
    this.#unsubscribe = agent.onApplied((applied) => this.#announce(applied));
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
    response.once('close', () => this.#watchers.delete(response));
  }

  /** Ends the streams of whoever was let in there. */
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
    this.#unsubscribe();
    for (const watcher of this.#watchers.keys()) watcher.destroy();
  }

  /** Nothing is written after the end, also where the end waits for a reader. */
  #end(watcher: ServerResponse): void {
    this.#watchers.delete(watcher);
    watcher.end();
    setTimeout(() => watcher.destroy(), END_WITHIN_MS).unref();
  }

  #announce({ revision, changes, isAnew }: AppliedEvent): void {
    const told = {
      revision,
      changes: asPrograms(changes).map((change) => ({
        ...change,
        // Without an id: who is cut off amid a revision has not been told of it.
        text: `event: change\ndata: ${JSON.stringify({ ...change, revision })}\n\n`,
      })),
    };
    this.#remember(told, isAnew);
    const first = isAnew ? event('reset', revision, {}) : '';
    const last = event('revision', revision, { revision });
    this.#send((rights) => first + textFor(told, rights) + last);
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
      .map((told) => textFor(told, rights))
      .join('');
  }

  #send(text: (rights: Rights) => string): void {
    for (const [watcher, { rights }] of this.#watchers) {
      if (watcher.writableLength > MAX_BACKLOG_BYTES) watcher.destroy();
      else watcher.write(text(rights));
    }
  }
}

/** Programs know references as the secrets that they lead to; one that took the place of the other is not gone. */
function asPrograms(changes: AppliedEvent['changes']): AppliedEvent['changes'] {
  const told = changes.map((change) =>
    change.kind === 'reference' ? { ...change, kind: 'secret' as const } : change,
  );
  const brought = new Set(told.filter(({ removed }) => !removed).map(keyOf));
  return told.filter((change) => !change.removed || !brought.has(keyOf(change)));
}

function keyOf({ kind, name }: AppliedEvent['changes'][number]): string {
  return `${kind}:${name}`;
}

function textFor({ changes }: Told, { allows }: Rights): string {
  return changes
    .filter(({ kind, name }) => allows(kind, name))
    .map(({ text }) => text)
    .join('');
}

function event(name: string, revision: number, data: Record<string, unknown>): string {
  return `id: ${revision}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

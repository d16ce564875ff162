import type { ServerResponse } from 'node:http';
import { AgentError } from '../agent-error.ts';
import type { Agent } from '../agent.ts';
import type { Rights } from './rights.ts';

const MAX_WATCHERS = 64;
const KEEP_ALIVE_MS = 15_000;
/** A watcher that lets this much pile up is cut off; it learns of everything when it comes back. */
const MAX_BACKLOG_BYTES = 256 * 1024;

/**
 * `GET /v1/watch`: server-sent events. `revision` comes first and with every new revision, and is the
 * event id; `change` comes before it for every entry that differs, `removed` being true for one that is
 * gone. Values are never sent: a watcher reads them. Of what a watcher may not read it is told nothing.
 */
export class WatchHub {
  readonly #agent: Agent;
  readonly #watchers = new Map<ServerResponse, Rights>();
  readonly #keepAlive: NodeJS.Timeout;
  readonly #unsubscribe: () => void;

  constructor(agent: Agent) {
    this.#agent = agent;
    this.#keepAlive = setInterval(() => this.#send(() => ': alive\n\n'), KEEP_ALIVE_MS).unref();
    this.#unsubscribe = agent.onApplied(({ revision, changes }) => {
      const told = changes.map((change) => ({
        ...change,
        text: event('change', revision, { ...change, revision }),
      }));
      const last = event('revision', revision, { revision });
      this.#send(({ allows }) => {
        const seen = told.filter(({ kind, name }) => allows(kind, name));
        return `${seen.map(({ text }) => text).join('')}${last}`;
      });
    });
  }

  /** Tells a program of what it may read. @throws AgentError `agent.busy` */
  add(response: ServerResponse, rights: Rights): void {
    if (this.#watchers.size >= MAX_WATCHERS) {
      throw new AgentError('agent.busy', `${MAX_WATCHERS} programs watch already`, {
        advice: 'close one, or poll with If-None-Match',
      });
    }
    const revision = this.#agent.cache.revision()?.revision ?? 0;
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(event('revision', revision, { revision }));
    this.#watchers.set(response, rights);
    response.once('close', () => this.#watchers.delete(response));
  }

  /** Tells every watcher that the agent was revoked, and ends their streams. */
  revoke(): void {
    this.#send(() => 'event: revoked\ndata: {}\n\n');
    for (const watcher of this.#watchers.keys()) watcher.end();
  }

  close(): void {
    clearInterval(this.#keepAlive);
    this.#unsubscribe();
    for (const watcher of this.#watchers.keys()) watcher.destroy();
  }

  #send(textFor: (rights: Rights) => string): void {
    for (const [watcher, rights] of this.#watchers) {
      if (watcher.writableLength > MAX_BACKLOG_BYTES) watcher.destroy();
      else watcher.write(textFor(rights));
    }
  }
}

function event(name: string, revision: number, data: Record<string, unknown>): string {
  return `id: ${revision}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

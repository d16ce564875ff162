import type { AgentConnections, Revocations } from '../agents/index.ts';
import type { Platform } from '../platform/platform.ts';
import type { AgentTasks } from '../tasks/index.ts';
import { listRevisions } from './delivery.store.ts';
import type { GroupFeed } from './group-feed.ts';
import type { Hub } from './hub.ts';

const EVERY_MS = 3_000;
/** A replica that has not been able to look for this long must not deliver: it may have missed a revocation. */
const STALE_AFTER_MS = 15_000;

type Deps = {
  platform: Platform;
  hub: Hub;
  feed: GroupFeed;
  revocations: Revocations;
  connections: AgentConnections;
  tasks: AgentTasks;
};

/**
 * Re-reads, every few seconds and in a number of statements that does not depend on the number of agents,
 * what a lost wake-up would have told. Transactions that commit late are seen here too.
 */
export class SafetyNet {
  readonly #deps: Deps;
  #lastLookMs = -Infinity;
  /** The first look after the last break, by the time of day. */
  #inReachSinceMs = Infinity;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Looks once, so that revocations are known before the first request, and then goes on looking. */
  async start(): Promise<void> {
    await this.look();
    this.#timer = setInterval(() => void this.lookQuietly(), EVERY_MS);
  }

  /** Whether a look has succeeded lately. */
  get isFresh(): boolean {
    return performance.now() - this.#lastLookMs < STALE_AFTER_MS;
  }

  /** For how long the database has been in reach since the start or the last break, by the time of day; 0 while it is not. */
  get inReachMs(): number {
    return this.isFresh ? this.#deps.platform.clock.now() - this.#inReachSinceMs : 0;
  }

  /** One look at a time, however long it takes; a failure is logged, and shows as `isFresh` turning false. */
  async lookQuietly(): Promise<void> {
    this.#looking ??= this.look()
      .catch((error: unknown) =>
        this.#deps.platform.log.warn({ err: error }, 'the safety net could not read the database'),
      )
      .finally(() => {
        this.#looking = undefined;
      });
    return this.#looking;
  }

  /** A look that begins from now on: one that is under way may have read before what it is asked for. */
  async lookAfresh(): Promise<void> {
    await this.#looking;
    return this.lookQuietly();
  }

  async look(): Promise<void> {
    const { platform, hub, feed, revocations, connections, tasks } = this.#deps;
    for (const { id, agentId } of await revocations.reload()) {
      if (id === agentId) connections.close(agentId);
      hub.settle(agentId, id === agentId ? 'revoked' : 'changed');
    }
    feed.forgetIdle();
    const rows = await platform.db.read((reader) => listRevisions(reader, hub.groups()));
    for (const { id, revision } of rows) {
      if ((await feed.knownRevision(id)) !== revision) feed.refresh(id);
    }
    for (const agentId of await tasks.reload()) hub.settle(agentId, 'changed');
    const now = platform.clock.now();
    // Else, with a clock that was set back, it would count as out of reach until the clock has caught up.
    if (!this.isFresh || now < this.#inReachSinceMs) this.#inReachSinceMs = now;
    this.#lastLookMs = performance.now();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }
}

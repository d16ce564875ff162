import type { Bundle } from '@sallyport/contract';
import type { Log } from '../platform/log.ts';
import type { BuiltRevision } from './build-bundle.ts';
import type { Hub } from './hub.ts';
import { SharedLooks } from './shared-looks.ts';

/**
 * How long after a change a group's agents pull again: those of a small group at once, those of a large one between
 * half of this and all of it, so that all have the change before any asks for the next. A pull takes 0.3 ms of a core.
 */
const SPREAD_MS_PER_AGENT = 0.7;
const MAX_SPREAD_MS = 5_000;

/** A group's current revision, with the reply that is the same for every agent that has the epoch's key. */
export type Feed = {
  /** The oldest agent protocol that can read it. */
  protocol: number;
  revision: number;
  epoch: number;
  content: { bundle: Bundle } | { bundleAt: string };
  afterMilliseconds: number;
  sharedReply: Buffer;
};

type FeedDeps = {
  build: (groupId: string) => Promise<BuiltRevision>;
  /** The revision that a group has in the database. */
  readRevision: (groupId: string) => Promise<number>;
  hub: Hub;
  log: Log;
};

/**
 * What this replica knows of each group's current revision. A wake-up invalidates it; the next look builds
 * it once, however many agents ask.
 */
export class GroupFeed {
  readonly #build: (groupId: string) => Promise<BuiltRevision>;
  readonly #hub: Hub;
  readonly #log: Log;
  readonly #current = new Map<string, Promise<Feed>>();
  readonly #revisions: SharedLooks<number>;

  constructor(deps: FeedDeps) {
    this.#build = deps.build;
    this.#revisions = new SharedLooks(deps.readRevision);
    this.#hub = deps.hub;
    this.#log = deps.log;
  }

  /** The group's current feed. Concurrent callers share one build; a failed one is not remembered. */
  async get(groupId: string): Promise<Feed> {
    const known = this.#current.get(groupId);
    if (known !== undefined) return known;
    const building = this.#build(groupId).then((state) =>
      feedOf(state, this.#hub.waitsIn(groupId)),
    );
    this.#current.set(groupId, building);
    building.catch(() => {
      if (this.#current.get(groupId) === building) this.#current.delete(groupId);
    });
    return building;
  }

  /**
   * The group's feed for an agent that runs `revision`. The agent may have it from another replica, before this one
   * heard of it: then the database tells. Undefined when that has no such revision either; nothing is built for it.
   */
  async reaching(groupId: string, revision: number): Promise<Feed | undefined> {
    const known = await this.get(groupId);
    if (revision <= known.revision) return known;
    if (revision > (await this.#revisions.after(groupId))) return undefined;
    // The first may be another caller's build, which began too early; the second is not.
    for (let feed = known, renewals = 0; renewals < 2; renewals += 1) {
      feed = await this.#renewed(groupId, feed);
      if (revision <= feed.revision) return feed;
    }
    return undefined;
  }

  /** Builds the feed anew, once for all callers who know only the same outdated one. */
  async #renewed(groupId: string, outdated: Feed): Promise<Feed> {
    const entry = this.#current.get(groupId);
    const isOutdated = (await entry?.catch(() => undefined)) === outdated;
    if (isOutdated && this.#current.get(groupId) === entry) this.refresh(groupId);
    return this.get(groupId);
  }

  /** Something changed in the group: forget what is known, and answer those who wait. */
  refresh(groupId: string): void {
    this.#current.delete(groupId);
    if (this.#hub.waitsIn(groupId) === 0) return;
    this.get(groupId).then(
      (feed) => this.#hub.settleGroup(groupId, feed),
      (error: unknown) =>
        this.#log.error(
          { err: error, groupId },
          'a bundle could not be built; the safety net tries again',
        ),
    );
  }

  /** The revision this replica would deliver, if it has looked. */
  async knownRevision(groupId: string): Promise<number | undefined> {
    return (await this.#current.get(groupId)?.catch(() => undefined))?.revision;
  }

  /** Forgets the groups for which nobody waits here; else a bundle of each would be kept for ever. */
  forgetIdle(): void {
    for (const groupId of this.#current.keys())
      if (this.#hub.waitsIn(groupId) === 0) this.#current.delete(groupId);
  }

  /** Forgets everything: wake-ups may have been missed. */
  forgetAll(): void {
    this.#current.clear();
  }
}

function feedOf(built: BuiltRevision, waiting: number): Feed {
  const { protocol, revision, epoch, bundle, isLarge } = built;
  const content = isLarge ? { bundleAt: `/agent/v1/revisions/${revision}/bundle` } : { bundle };
  const afterMilliseconds = Math.min(MAX_SPREAD_MS, Math.floor(waiting * SPREAD_MS_PER_AGENT));
  const reply = { revision, epoch, ...content, tasks: [], next: { afterMilliseconds } };
  return {
    protocol,
    revision,
    epoch,
    content,
    afterMilliseconds,
    sharedReply: Buffer.from(JSON.stringify(reply)),
  };
}

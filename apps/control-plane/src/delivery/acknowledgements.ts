import { recordReturns } from '../agents/index.ts';
import type { Platform } from '../platform/platform.ts';
import { NONE_OF_HERE, writeAcknowledgements, type Acknowledgement } from './delivery.store.ts';

const FLUSH_MS = 1_000;

type Heard = Pick<Acknowledgement, 'agentId' | 'groupId'>;

/**
 * Collects acknowledgements and heartbeats and writes them in one statement a second. One agent's newer
 * word replaces its older one, but for the greatest revision it named, so the buffer is bounded by the number of agents.
 */
export class Acknowledgements {
  readonly #platform: Platform;
  #pending = new Map<string, Acknowledgement>();
  #timer: NodeJS.Timeout | undefined;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** An agent has called; whether there is the revision that it names is not known yet. */
  heard(agent: Heard, status: string): void {
    this.record(agent, 0, status);
  }

  /** An agent runs a revision that does not exist here: it is behind until it takes one that does. */
  ahead({ agentId, groupId }: Heard, status: string): void {
    this.#keep({ agentId, groupId, revision: NONE_OF_HERE, status });
  }

  record({ agentId, groupId }: Heard, revision: number, status: string): void {
    const acknowledged = Math.max(revision, revisionOf(this.#pending.get(agentId), groupId));
    this.#keep({ agentId, groupId, revision: acknowledged, status });
  }

  #keep(acknowledgement: Omit<Acknowledgement, 'seenAtMs'>): void {
    const seenAtMs = this.#platform.clock.now();
    this.#pending.set(acknowledgement.agentId, { ...acknowledgement, seenAtMs });
    this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS);
  }

  /** Writes what is pending; on failure it stays pending for the next second. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#pending;
    if (batch.size === 0) return;
    this.#pending = new Map();
    try {
      const back = await this.#platform.db.write((writer) =>
        writeAcknowledgements(writer, [...batch.values()]),
      );
      if (back.length > 0) await recordReturns(this.#platform, back);
      this.#platform.metrics.acknowledged.inc(batch.size);
    } catch (error) {
      this.#platform.log.warn(
        { err: error, count: batch.size },
        'acknowledgements could not be written; trying again',
      );
      for (const [agentId, older] of batch) {
        const newer = this.#pending.get(agentId) ?? older;
        const revision = Math.max(newer.revision, revisionOf(older, newer.groupId));
        this.#pending.set(agentId, { ...newer, revision });
      }
      this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS);
    }
  }

  /** Writes the rest and stops. */
  async close(): Promise<void> {
    await this.flush();
    clearTimeout(this.#timer);
  }
}

/** In this group alone: another group has numbers of its own. */
function revisionOf(acknowledged: Acknowledgement | undefined, groupId: string): number {
  return acknowledged?.groupId === groupId ? acknowledged.revision : 0;
}

import type { Platform } from '../platform/platform.ts';
import { writeAcknowledgements, type Acknowledgement } from './delivery.store.ts';

const FLUSH_MS = 1_000;

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
  heard(agentId: string, status: string): void {
    this.record(agentId, 0, status);
  }

  record(agentId: string, revision: number, status: string): void {
    const seenAtMs = this.#platform.clock.now();
    const acknowledged = Math.max(revision, this.#pending.get(agentId)?.revision ?? 0);
    this.#pending.set(agentId, { agentId, revision: acknowledged, status, seenAtMs });
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
      await this.#platform.db.read((writer) => writeAcknowledgements(writer, [...batch.values()]));
      this.#platform.metrics.acknowledged.inc(batch.size);
    } catch (error) {
      this.#platform.log.warn(
        { err: error, count: batch.size },
        'acknowledgements could not be written; trying again',
      );
      for (const [agentId, older] of batch) {
        const newer = this.#pending.get(agentId) ?? older;
        const revision = Math.max(older.revision, newer.revision);
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

import { mkdir, lstat, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { agentEvent, type AgentEvent } from '@sallyport/contract';
import { open, seal, type Place } from '@sallyport/crypto/envelope';
import { z } from 'zod';
import { framesOf, internalError } from '../agent-error.ts';
import type { Log } from '../log.ts';
import { writeFileAtomically } from '../state/atomic-file.ts';
import { assertPrivate } from '../state/private-path.ts';
import { codeOf } from '../state/system-error.ts';

/** A batch as it waits, under the id by which it is recorded once. */
export type WaitingBatch = { name: string; batch: string; group: string; events: AgentEvent[] };

/** What is in a file. `group`: where the agent was then. */
const stored = z.strictObject({ group: z.string(), events: agentEvent.array() });

/** A week of an agent whose programs read a hundred secrets. */
const MAX_BYTES = 8 * 1024 * 1024;
const NAME = /^(\d{12})-([0-9a-f-]{36})\.sealed$/;

/**
 * Batches of audit events in a directory, each a file that is sealed for this agent and bound to its name; in the
 * order of their numbers.
 */
export class EventSpool {
  readonly #path: string;
  readonly #key: Uint8Array;
  readonly #log: Log;
  readonly #maxBytes: number;
  /** By name, the bytes of what waits, oldest first. */
  #waiting = new Map<string, number>();
  #next = 1;
  #isBroken = false;

  constructor(
    stateDirectory: string,
    { key, log, maxBytes = MAX_BYTES }: { key: Uint8Array; log: Log; maxBytes?: number },
  ) {
    this.#path = join(stateDirectory, 'events');
    this.#key = key;
    this.#log = log;
    this.#maxBytes = maxBytes;
  }

  /** Finds what an earlier run left. A disk that cannot be read is told, and tried again with each batch. */
  async restore(): Promise<void> {
    try {
      const all = (await readdir(this.#path)).toSorted();
      const names = all.filter((name) => NAME.test(name));
      this.#next = Number(NAME.exec(names.at(-1) ?? '')?.[1] ?? 0) + 1;
      for (const name of names) this.#waiting.set(name, (await stat(join(this.#path, name))).size);
      // What a crash left of writing one.
      for (const name of all.filter((each) => each.endsWith('.tmp')))
        await rm(join(this.#path, name), { force: true });
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') this.#report(error);
    }
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Keeps a batch; `full` when there is no room for it, `later` while the disk does not take it. */
  async append(
    batch: string,
    content: { group: string; events: readonly AgentEvent[] },
  ): Promise<'kept' | 'full' | 'later'> {
    const sealed = seal(this.#key, Buffer.from(JSON.stringify(content)), placeOf(batch));
    const used = [...this.#waiting.values()].reduce((sum, bytes) => sum + bytes, 0);
    if (used + sealed.byteLength > this.#maxBytes) return 'full';
    const name = `${String(this.#next).padStart(12, '0')}-${batch}.sealed`;
    try {
      await mkdir(this.#path, { recursive: true, mode: 0o700 });
      assertPrivate(this.#path, await lstat(this.#path), 'directory');
      await writeFileAtomically(join(this.#path, name), sealed);
    } catch (error) {
      this.#report(error);
      return 'later';
    }
    this.#isBroken = false;
    this.#next += 1;
    this.#waiting.set(name, sealed.byteLength);
    return 'kept';
  }

  /**
   * The batch that waits longest. One that does not open is removed, and told.
   *
   * @throws Error of the system while the disk cannot be read
   */
  async oldest(): Promise<WaitingBatch | undefined> {
    for (const name of this.#waiting.keys()) {
      const [, , batch = ''] = NAME.exec(name) ?? [];
      const sealed = await this.#read(name);
      try {
        const text = open(this.#key, sealed, placeOf(batch)).toString('utf8');
        return { name, batch, ...stored.parse(JSON.parse(text)) };
      } catch (error) {
        this.#report(error);
        await this.remove(name);
      }
    }
    return undefined;
  }

  /** @throws Error of the system; the batch waits then, and is recorded once all the same */
  async remove(name: string): Promise<void> {
    await rm(join(this.#path, name), { force: true });
    this.#waiting.delete(name);
  }

  /** Empty for a file that somebody has removed. */
  async #read(name: string): Promise<Buffer> {
    try {
      return await readFile(join(this.#path, name));
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return Buffer.alloc(0);
      throw error;
    }
  }

  /** Once for each time that it breaks. */
  #report(error: unknown): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    const code = codeOf(error);
    // What the system refuses is no defect: where the agent met it helps nobody.
    const stack = code === undefined ? framesOf(internalError(error)) : undefined;
    this.#log.error(
      { code: code ?? 'events.unreadable', path: this.#path, stack },
      'audit events cannot be kept on disk, or read from it',
    );
  }
}

/** Removes what waits in a directory of state. */
export async function forgetEvents(stateDirectory: string): Promise<void> {
  await rm(join(stateDirectory, 'events'), { recursive: true, force: true });
}

function placeOf(batch: string): Place {
  return { table: 'agent_events', row: batch, field: 'events', group: '', keyVersion: 1 };
}

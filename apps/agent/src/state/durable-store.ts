import { statfs } from 'node:fs/promises';
import type { Diagnosis } from '@sallyport/contract';
import { z } from 'zod';
import { AgentError, faultOf, framesOf } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Applied, DurableCopy } from '../sync/replica.ts';
import { decodeHighWater, encodeHighWater, type HighWater } from './high-water.ts';
import { Quarantine } from './quarantine.ts';
import type { StateDirectory } from './state-directory.ts';

const storedBundle = z.strictObject({
  format: z.literal(1),
  deliveryKey: z.string(),
  durable: z.string(),
});
type StoredBundle = z.infer<typeof storedBundle>;

/** What `status` says of the disk. `error` is the code of the last failure, until the next success. */
export type DurableState = {
  revision: number | undefined;
  bytes: number;
  error: string | undefined;
};

/** A revision that runs, and when the control plane last confirmed it. */
type Unkept = { copy: DurableCopy; contactAtMs: number };

/** How a run begins: what disk gave, and the revision below which nothing may be taken. */
export type Restored = { applied: Applied | undefined; highWater: HighWater };

/**
 * The durable part of the newest bundle on disk, exactly as received, and the high-water mark beside it.
 * The mark is what tells an older bundle that somebody put back; putting back the whole directory goes
 * unnoticed here, until the control plane is reached.
 */
export class DurableStore {
  readonly #directory: StateDirectory;
  readonly #key: Uint8Array;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #log: Log;
  readonly #quarantine: Quarantine;
  #highWater: HighWater = { revision: 0, contactAtMs: 0 };
  #unkept: Unkept | undefined;
  /** A write that has not begun yet will take the newest: on a disk that hangs no queue grows. */
  #keepWaits = false;
  #writing = Promise.resolve();
  /** What is left to write of a move to another group. */
  #move: (() => Promise<void>) | undefined;
  /** Told the code for which a bundle was refused that was on disk. */
  onQuarantine: (code: string) => void = () => {};
  #state: DurableState = { revision: undefined, bytes: 0, error: undefined };

  constructor(
    directory: StateDirectory,
    highWaterKey: Uint8Array,
    clock: Pick<Clock, 'now'>,
    log: Log,
  ) {
    this.#directory = directory;
    this.#key = highWaterKey;
    this.#clock = clock;
    this.#log = log;
    this.#quarantine = new Quarantine(directory.path);
  }

  state(): DurableState {
    return this.#state;
  }

  /** Of which no older one is to be taken. */
  get newestRevision(): number {
    return this.#highWater.revision;
  }

  /** What was kept has been removed from disk. */
  forget(): void {
    this.#state = { revision: undefined, bytes: 0, error: undefined };
  }

  /**
   * Hands the stored bundle to `open`, which verifies it and applies it. A bundle that is refused, or that
   * no mark vouches for, is quarantined, and the run begins without one.
   *
   * @throws AgentError `state.unsafe`, `state.unusable`
   */
  async restore(
    open: (stored: StoredBundle, floor: number) => Promise<Applied | undefined>,
  ): Promise<Restored> {
    const bundle = await this.#directory.read('bundle.json');
    const highWater = await this.#readHighWater();
    this.#highWater = highWater ?? this.#highWater;
    if (bundle === undefined) return { applied: undefined, highWater: this.#highWater };
    try {
      // Else deleting the mark would let an intruder put an older bundle back.
      if (highWater === undefined) throw unvouched();
      const applied = await open(parseStoredBundle(bundle), highWater.revision);
      this.#state = { revision: applied?.revision, bytes: bundle.byteLength, error: undefined };
      return { applied, highWater };
    } catch (error) {
      await this.#refuse(error);
      return { applied: undefined, highWater: this.#highWater };
    }
  }

  /** Replaces the stored bundle, then the mark. Never rejects: a full disk must not stop delivery. */
  async keep(copy: DurableCopy, contactAtMs = this.#clock.now()): Promise<void> {
    this.#unkept = { copy, contactAtMs };
    if (this.#keepWaits) return this.#writing;
    this.#keepWaits = true;
    await this.#inTurn(() => {
      this.#keepWaits = false;
      return this.#keepNewest();
    });
  }

  /** Removes what is kept; the mark stays, so that nothing older comes back. Never rejects. */
  async wipe(): Promise<void> {
    this.#unkept = undefined;
    await this.#inTurn(async () => {
      await this.#discard();
      this.forget();
    });
  }

  /**
   * Removes what is kept of a group that the agent has left, and then has `join` write which one it is in. A crash on
   * the way leaves it in the one or the other, and what is kept is of that one alone. Never rejects: what cannot be
   * written is written before whatever is to be kept next.
   */
  async moveOn(join: () => Promise<void>): Promise<void> {
    this.#unkept = undefined;
    this.#move = async () => {
      await this.#directory.remove('bundle.json');
      this.forget();
      await this.#mark({ revision: 0, contactAtMs: 0 });
      await join();
    };
    await this.#inTurn(async () => void (await this.#finishMove()));
  }

  /**
   * Notes when the control plane last confirmed what runs, and tries again to keep what could not be
   * kept: the time stands for the bundle beside it, so it never advances without. Never rejects.
   */
  async confirm(contactAtMs: number): Promise<void> {
    await this.#inTurn(async () => {
      if (!(await this.#finishMove())) return;
      if (this.#unkept === undefined) return this.#note(contactAtMs);
      this.#unkept = { ...this.#unkept, contactAtMs };
      return this.#keepNewest();
    });
  }

  /** Resolves once everything that was begun is written. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  async describe(): Promise<Diagnosis['disk']> {
    const { revision, bytes } = this.#state;
    const { bavail, bsize } = await statfs(this.#directory.path);
    return {
      durableBundleBytes: revision === undefined ? null : bytes,
      durableRevision: revision ?? null,
      freeBytes: bavail * bsize,
      quarantined: await this.#quarantine.count(),
    };
  }

  /** Undefined when it is missing or not this agent's own. */
  async #readHighWater(): Promise<HighWater | undefined> {
    const bytes = await this.#directory.read('high-water.json');
    return bytes && decodeHighWater(bytes, this.#key);
  }

  /** One write after the other: the sync loop and the daemon's timer both come here. */
  #inTurn(write: () => Promise<void>): Promise<void> {
    this.#writing = this.#writing.then(write);
    return this.#writing;
  }

  async #keepNewest(): Promise<void> {
    const unkept = this.#unkept;
    if (unkept === undefined || !(await this.#finishMove())) return;
    const { revision, deliveryKey, durable } = unkept.copy;
    const text = JSON.stringify({ format: 1, deliveryKey, durable });
    try {
      // The other order would make the agent refuse its own bundle after a crash between the two.
      await this.#directory.write('bundle.json', text);
      await this.#mark({ revision, contactAtMs: unkept.contactAtMs });
      this.#state = { revision, bytes: Buffer.byteLength(text), error: undefined };
      if (this.#unkept === unkept) this.#unkept = undefined;
    } catch (error) {
      this.#failed(error, revision, 'the revision runs, but could not be kept on disk');
      await this.#outdate(revision);
    }
  }

  /** Whether what is on disk is of the group that the agent is in. */
  async #finishMove(): Promise<boolean> {
    const move = this.#move;
    if (move === undefined) return true;
    try {
      await move();
      if (this.#move === move) this.#move = undefined;
      return true;
    } catch (error) {
      this.#failed(error, undefined, 'the move to another group could not be written to disk');
      return false;
    }
  }

  /** What is on disk is older than what has run: another start must not go back to it. */
  async #outdate(revision: number): Promise<void> {
    try {
      await this.#mark({ ...this.#highWater, revision });
    } catch (error) {
      this.#failed(error, revision, 'the high-water mark could not be kept on disk');
    }
  }

  async #note(contactAtMs: number): Promise<void> {
    const { revision } = this.#highWater;
    try {
      await this.#mark({ revision, contactAtMs });
      this.#state = { ...this.#state, error: undefined };
    } catch (error) {
      this.#failed(error, revision, 'the time of the last contact could not be kept on disk');
    }
  }

  async #mark(highWater: HighWater): Promise<void> {
    await this.#directory.write('high-water.json', encodeHighWater(highWater, this.#key));
    this.#highWater = highWater;
  }

  #failed(error: unknown, revision: number | undefined, message: string): void {
    this.#state = { ...this.#state, error: this.#report(error, revision, message) };
  }

  /** Logs a fault and returns its code. */
  #report(error: unknown, revision: number | undefined, message: string): string {
    const fault = faultOf(error);
    const { code, message: detail } = fault;
    this.#log.error({ code, detail, revision, stack: framesOf(fault) }, message);
    return code;
  }

  async #refuse(error: unknown): Promise<void> {
    const code = this.#report(
      error,
      undefined,
      'the bundle on disk is refused; it will be fetched again',
    );
    this.#state = { ...this.#state, error: code };
    this.onQuarantine(code);
    const path = this.#directory.join('bundle.json');
    try {
      await this.#quarantine.take(path, code, this.#clock.now());
    } catch (cause) {
      this.#report(cause, undefined, 'the refused bundle cannot be quarantined, and is removed');
      await this.#discard();
    }
  }

  /** Never rejects: what cannot be removed is refused again by the next start, and replaced by `keep`. */
  async #discard(): Promise<void> {
    try {
      await this.#directory.remove('bundle.json');
    } catch (error) {
      this.#report(error, undefined, 'the bundle could not be removed from disk');
    }
  }
}

function unvouched(): AgentError {
  return new AgentError(
    'high_water.unreadable',
    'no high-water mark of this agent vouches for the bundle',
  );
}

/** @throws AgentError `bundle.malformed` */
export function parseStoredBundle(bytes: Buffer): StoredBundle {
  try {
    return storedBundle.parse(JSON.parse(bytes.toString('utf8')));
  } catch (error) {
    throw new AgentError(
      'bundle.malformed',
      'the file is truncated or not a bundle of this version',
      { cause: error },
    );
  }
}

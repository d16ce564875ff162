import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { descriptorOf } from '../host/descriptor.ts';
import { libc } from '../host/libc.ts';
import { Mask, type MaskedValues } from './mask.ts';

/** A command that says nothing for so long waits for somebody who has to see all of it. */
const QUIET_MS = 20;
/** What a background process of a command that has ended still writes is waited for no longer, and never more of it. */
const LAST_OUTPUT_MS = 100;
const LAST_OUTPUT_BYTES = 1024 * 1024;

/** Passes what a command writes on, without values. */
export class MaskedOutput {
  readonly #source: Readable;
  readonly #target: Writable;
  readonly #mask: Mask;
  readonly #done: Promise<void>;
  #arrivedBytes = 0;
  #isDone = false;
  #isLost = false;

  constructor(source: Readable, target: Writable, masked: MaskedValues) {
    this.#source = source;
    this.#target = target;
    this.#mask = new Mask(masked);
    this.#done = this.#pass();
  }

  /** Resolves once all that was written before the command ended has been passed on. */
  async end(): Promise<void> {
    await Promise.race([this.#done, this.#silence()]);
    this.#source.destroy();
    await this.#done;
  }

  async #pass(): Promise<void> {
    let quiet: NodeJS.Timeout | undefined;
    try {
      for await (const chunk of this.#source) {
        clearTimeout(quiet);
        this.#arrivedBytes += chunk.length;
        if (!this.#isLost) await this.#write(this.#mask.push(chunk)).catch(() => this.#lose());
        if (!this.#isLost)
          quiet = setTimeout(() => void this.#target.write(this.#mask.flush()), QUIET_MS);
      }
    } catch {
      // The source was destroyed: with what is unread in it, the next write of the command fails.
    } finally {
      clearTimeout(quiet);
      const rest = this.#mask.flush();
      if (rest.byteLength > 0 && !this.#target.destroyed) await this.#write(rest).catch(() => {});
      this.#isDone = true;
    }
  }

  /** Whoever reads is gone; the command learns of it by its next write, as it would without the mask. */
  #lose(): void {
    this.#isLost = true;
    const descriptor = descriptorOf(this.#source);
    const isTold = descriptor !== undefined && libc()?.endReading(descriptor) === true;
    // Closed with something unread in it, it would be a connection that was reset.
    if (!isTold) this.#source.destroy();
  }

  async #write(bytes: Buffer): Promise<void> {
    if (bytes.byteLength === 0) return;
    if (this.#target.destroyed) throw new Error('nobody reads');
    if (!this.#target.write(bytes)) await once(this.#target, 'drain');
  }

  async #silence(): Promise<void> {
    const enough = this.#arrivedBytes + LAST_OUTPUT_BYTES;
    let before = -1;
    // A target whose reader has left may need to drain for ever.
    while (!this.#isDone && this.#arrivedBytes < enough) {
      if (before === this.#arrivedBytes && !this.#target.writableNeedDrain) return;
      before = this.#arrivedBytes;
      // What is still read keeps this process, and nothing else is to.
      await pause(LAST_OUTPUT_MS, undefined, { ref: false });
    }
  }
}

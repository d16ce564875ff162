import { randomFillSync } from 'node:crypto';
import { KEY_BYTES } from '@sallyport/crypto/envelope';
import { libc } from './libc.ts';
import { zeroable } from './zeroable.ts';

/**
 * Where the keys are that open what the agent holds: one locked page (`Libc.lockedPage`) where the host allows it,
 * and memory like any other where it does not.
 */
export class KeyMemory {
  readonly #slots: Uint8Array[] = [];
  /** Why keys are in memory like any other; undefined where they are not. */
  readonly unlockedBecause: string | undefined;

  private constructor(page: Buffer | undefined, unlockedBecause: string | undefined) {
    this.unlockedBecause = unlockedBecause;
    for (let at = 0; page !== undefined && at < page.byteLength; at += KEY_BYTES)
      this.#slots.push(page.subarray(at, at + KEY_BYTES));
  }

  /** Of a process that is one agent: the page is its own until it ends. */
  static locked(): KeyMemory {
    const host = libc();
    if (host === undefined) return new KeyMemory(undefined, whyNoLibc());
    const page = host.lockedPage();
    return new KeyMemory(
      page,
      page === undefined ? 'the host locks no memory for this user (RLIMIT_MEMLOCK)' : undefined,
    );
  }

  /** Of many agents in one process. */
  static ordinary(): KeyMemory {
    return new KeyMemory(undefined, 'it was not asked for');
  }

  /** A key of 32 random bytes. */
  make(): Uint8Array {
    return randomFillSync(this.#slot());
  }

  /** Moves a key here: where it was, it is zeroed. */
  adopt(key: Uint8Array): Uint8Array {
    const slot = this.#slot();
    slot.set(key);
    key.fill(0);
    return slot;
  }

  /** Zeroes a key that was made or adopted here; it may not be used any more. */
  release(key: Uint8Array): void {
    key.fill(0);
    this.#slots.push(key);
  }

  #slot(): Uint8Array {
    return this.#slots.pop() ?? zeroable(KEY_BYTES);
  }
}

function whyNoLibc(): string {
  return process.permission === undefined
    ? 'this Node cannot call the C library of this host'
    : 'Node’s permission model lets this agent not call the C library (--allow-ffi)';
}

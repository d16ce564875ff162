import { createHmac, randomBytes } from 'node:crypto';
import { KEY_BYTES, open, seal, type Place } from '@sallyport/crypto/envelope';
import type { Scheme } from './reference.ts';

/** Of which reference a value is, by its etag, and when it was asked for, by the monotonic clock. */
type Origin = { of: string; scheme: Scheme; atMs: number };
export type SealedValue = Origin & { mark: string; sealed: Uint8Array };

/**
 * Values that references led to, each AES-256-GCM sealed in memory under a key of this process, and zeroed when it is
 * dropped. The one that was used longest ago makes place for another.
 */
export class SealedValues {
  readonly #atMost: number;
  readonly #values = new Map<string, SealedValue>();
  #keys: { sealing: Buffer; marking: Buffer } | undefined;

  constructor(atMost: number) {
    this.#atMost = atMost;
  }

  /** What is held for a secret. */
  find(name: string): SealedValue | undefined {
    const value = this.#values.get(name);
    if (value === undefined) return undefined;
    this.#values.delete(name);
    this.#values.set(name, value);
    return value;
  }

  /** Holds a value, which is not zeroed here, in place of what there was. */
  seal(name: string, value: Buffer, origin: Origin): SealedValue {
    this.drop(name);
    for (const [oldest] of this.#values) {
      if (this.#values.size < this.#atMost) break;
      this.drop(oldest);
    }
    const keys = (this.#keys ??= {
      sealing: randomBytes(KEY_BYTES),
      marking: randomBytes(KEY_BYTES),
    });
    const mark = createHmac('sha256', keys.marking).update(value).digest('base64url').slice(0, 12);
    const sealedValue = { ...origin, mark, sealed: seal(keys.sealing, value, placeOf(name)) };
    this.#values.set(name, sealedValue);
    return sealedValue;
  }

  /** The value in plaintext; the caller zeroes it. */
  open(name: string, { sealed }: SealedValue): Buffer {
    if (this.#keys === undefined) throw new RangeError('the value is not held any more');
    return open(this.#keys.sealing, sealed, placeOf(name));
  }

  drop(name: string): void {
    this.#values.get(name)?.sealed.fill(0);
    this.#values.delete(name);
  }

  /** Drops what was sealed at this time or before. */
  dropUntil(atMs: number): void {
    for (const [name, value] of this.#values) if (value.atMs <= atMs) this.drop(name);
  }

  /** Forgets everything, beyond recovery. */
  wipe(): void {
    for (const name of this.#values.keys()) this.drop(name);
    this.#keys?.sealing.fill(0);
    this.#keys?.marking.fill(0);
    this.#keys = undefined;
  }
}

function placeOf(name: string): Place {
  return { table: 'agent_references', row: name, field: 'value', group: '', keyVersion: 1 };
}

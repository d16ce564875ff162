import { createHmac } from 'node:crypto';
import type { Place } from '@sallyport/crypto/envelope';
import { openValue, sealValue } from '../cache/sealed-value.ts';
import type { Moment } from '../clock.ts';
import type { KeyMemory } from '../host/key-memory.ts';
import type { Scheme } from './reference.ts';

/** Of which reference a value is, by its etag, and when it was asked for. */
type Origin = { of: string; scheme: Scheme; at: Moment };
export type ReferencedValue = Origin & { mark: string; sealed: Uint8Array };

/**
 * Values that references led to, each AES-256-GCM sealed in memory under a key of this process, and zeroed when it is
 * dropped. The one that was used longest ago makes place for another.
 */
export class SealedValues {
  readonly #atMost: number;
  readonly #keyMemory: KeyMemory;
  readonly #values = new Map<string, ReferencedValue>();
  #keys: { sealing: Uint8Array; marking: Uint8Array } | undefined;

  constructor(atMost: number, keyMemory: KeyMemory) {
    this.#atMost = atMost;
    this.#keyMemory = keyMemory;
  }

  /** What is held for a secret. */
  find(name: string): ReferencedValue | undefined {
    const value = this.#values.get(name);
    if (value === undefined) return undefined;
    this.#values.delete(name);
    this.#values.set(name, value);
    return value;
  }

  /** Holds a value, which is not zeroed here, in place of what there was. */
  seal(name: string, value: Buffer, origin: Origin): ReferencedValue {
    this.drop(name);
    for (const [oldest] of this.#values) {
      if (this.#values.size < this.#atMost) break;
      this.drop(oldest);
    }
    const keys = (this.#keys ??= {
      sealing: this.#keyMemory.make(),
      marking: this.#keyMemory.make(),
    });
    const mark = createHmac('sha256', keys.marking).update(value).digest('base64url').slice(0, 12);
    const sealedValue = { ...origin, mark, sealed: sealValue(keys.sealing, value, placeOf(name)) };
    this.#values.set(name, sealedValue);
    return sealedValue;
  }

  /** The value in plaintext; the caller zeroes it. */
  open(name: string, { sealed }: ReferencedValue): Buffer {
    if (this.#keys === undefined) throw new RangeError('the value is not held any more');
    return openValue(this.#keys.sealing, sealed, placeOf(name));
  }

  drop(name: string): void {
    this.#values.get(name)?.sealed.fill(0);
    this.#values.delete(name);
  }

  /** Drops what `isOver` says of. */
  dropWhere(isOver: (name: string, value: ReferencedValue) => boolean): void {
    for (const [name, value] of this.#values) if (isOver(name, value)) this.drop(name);
  }

  /** Forgets everything, beyond recovery. */
  wipe(): void {
    for (const name of this.#values.keys()) this.drop(name);
    for (const key of Object.values(this.#keys ?? {})) this.#keyMemory.release(key);
    this.#keys = undefined;
  }
}

function placeOf(name: string): Place {
  return { table: 'agent_references', row: name, field: 'value', group: '', keyVersion: 1 };
}

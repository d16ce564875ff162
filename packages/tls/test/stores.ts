import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect } from '@jest/globals';
import { KeystoreError } from '../src/keystore-error.ts';

/** Of every file in `keystores/`; see make.sh there. */
export const PASSWORD = 'correct horse';
/** A day on which its certificates are valid. */
export const NOW_MS = Date.UTC(2030, 0);

export function storeFile(name: string): Buffer {
  return readFileSync(join(import.meta.dirname, 'keystores', name));
}

/** The refusal of a file, which must be a named one that shows no password, wherever one looks in it. */
export async function storeRefusal(
  outcome: Promise<unknown>,
  password = PASSWORD,
): Promise<KeystoreError> {
  const error: unknown = await outcome.then(
    () => 'taken',
    (refusal: unknown) => refusal,
  );
  if (!(error instanceof KeystoreError))
    throw new Error('it was not refused by name', { cause: error });
  if (password !== '') expect(inspect(error, { showHidden: true })).not.toContain(password);
  return error;
}

/** What a file holds, or undefined when it was refused, which must be by name. */
export async function unlessRefused<Store>(outcome: Promise<Store>): Promise<Store | undefined> {
  const [read] = await Promise.allSettled([outcome]);
  if (read.status === 'fulfilled') return read.value;
  await storeRefusal(outcome);
  return undefined;
}

/** The file with one bit changed. */
export function flipped(file: Buffer, bit: number): Buffer {
  const changed = Buffer.from(file);
  changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
  return changed;
}

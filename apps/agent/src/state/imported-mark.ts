import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { StateView } from './state-directory.ts';

/**
 * What was imported last: nothing older is taken again. `expiresAtMs` is null once the control plane was reached, which
 * vouches for the values from then on. `newestMs` is the latest time that this host is known to have seen.
 */
export type ImportedMark = {
  revision: number;
  issuedAtMs: number;
  expiresAtMs: number | null;
  newestMs: number;
};

const file = z.strictObject({
  format: z.literal(1),
  revision: z.int().min(1),
  issuedAtMs: z.int().min(0),
  expiresAtMs: z.int().min(0).nullable(),
  newestMs: z.int().min(0),
  mac: z.base64url(),
});

/** `key` is that of the high-water mark: the two are told apart by their first line. */
export function encodeImportedMark(mark: ImportedMark, key: Uint8Array): string {
  return JSON.stringify({ format: 1, ...mark, mac: macOf(mark, key).toString('base64url') });
}

/**
 * Undefined when there is none. One that this agent did not write lets nothing be served that was imported before.
 *
 * @throws AgentError `state.unsafe`, `state.unusable`
 */
export async function readImportedMark(
  state: StateView,
  key: Uint8Array,
): Promise<ImportedMark | 'forged' | undefined> {
  const bytes = await state.read('imported.json');
  return bytes && (decode(bytes, key) ?? 'forged');
}

function decode(bytes: Buffer, key: Uint8Array): ImportedMark | undefined {
  const parsed = file.safeParse(parseJson(bytes));
  if (!parsed.success) return undefined;
  const { format: _format, mac, ...mark } = parsed.data;
  const found = Buffer.from(mac, 'base64url');
  const expected = macOf(mark, key);
  const genuine = found.byteLength === expected.byteLength && timingSafeEqual(found, expected);
  return genuine ? mark : undefined;
}

function macOf(mark: ImportedMark, key: Uint8Array): Buffer {
  const { revision, issuedAtMs, expiresAtMs, newestMs } = mark;
  const text = ['imported 1', revision, issuedAtMs, expiresAtMs ?? '', newestMs].join('\n');
  return createHmac('sha256', key).update(text).digest();
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
